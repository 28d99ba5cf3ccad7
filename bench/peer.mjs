// Latency of a model in ONNX Runtime, one thread, all optimisations.
//
//     node peer.mjs NPM_DIR MODEL.onnx SECONDS [THREADS] [INPUT=FILE.npy]...
//
// Reads the inputs that are named (float32), fills other float inputs
// uniformly from [-1, 1) and integers with 1; open dimensions are 1.  Calls
// the addon itself, synchronously and with feeds made once: what JavaScript
// adds is one call (some microseconds).  Prints {"median_ms", "min_ms",
// "p99_ms", "runs", "version"}.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [, , dir, model, seconds, threads, ...files] = process.argv;
const npm = createRequire(resolve(dir, 'package.json'));
const ort = npm('onnxruntime-node');
const { binding, initOrt } = npm('onnxruntime-node/dist/binding.js');

const make = {
    float32: n => Float32Array.from({ length: n }, () => 2 * Math.random() - 1),
    float64: n => Float64Array.from({ length: n }, () => 2 * Math.random() - 1),
    int64: n => new BigInt64Array(n).fill(1n),
    int32: n => new Int32Array(n).fill(1),
    uint8: n => new Uint8Array(n).fill(1),
};

ort.env.logLevel = 'error';

const options = {
    intraOpNumThreads: Number(threads || 1),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
};

// The public interface tells names and types, the addon runs.
const described = await ort.InferenceSession.create(model, options);
const feeds = {}, fetches = {};

for (const file of files) {
    const at = file.indexOf('=');
    const buf = readFileSync(file.slice(at + 1));
    const start = 10 + buf.readUInt16LE(8);
    const dims = /'shape': *\(([^)]*)\)/.exec(buf.toString('latin1', 0, start))
        [1].split(',').filter(s => s.trim() !== '').map(Number);
    const data = new Float32Array(Uint8Array.from(buf.subarray(start)).buffer);

    feeds[file.slice(0, at)] = new ort.Tensor('float32', data, dims);
}

for (const meta of described.inputMetadata) {
    if (feeds[meta.name] !== undefined) {
        continue;
    }

    const dims = meta.shape.map(d => typeof d === 'number' ? d : 1);
    const count = dims.reduce((a, b) => a * b, 1);

    feeds[meta.name] = new ort.Tensor(meta.type, make[meta.type](count), dims);
}

for (const name of described.outputNames) {
    fetches[name] = null;
}

await described.release();
initOrt();

const session = new binding.InferenceSession();
session.loadModel(model, options);

const clock = () => process.hrtime.bigint();
const limit = BigInt(Math.round(Number(seconds) * 1e9));
const times = [];

for (let start = clock(), i = 0; i < 20 && clock() - start < limit / 5n; i++) {
    session.run(feeds, fetches, {});
}

for (let start = clock(); times.length < 5 || clock() - start < limit;) {
    const t = clock();
    session.run(feeds, fetches, {});
    times.push(Number(clock() - t) / 1e6);
}

times.sort((a, b) => a - b);

console.log(JSON.stringify({
    median_ms: times[times.length >> 1],
    min_ms: times[0],
    p99_ms: times[Math.floor((times.length * 99 - 1) / 100)],
    runs: times.length,
    version: npm('onnxruntime-node/package.json').version,
}));
