// One model in ONNX Runtime, one thread: node tools/bench_ort.mjs MODEL SECONDS
// Needs onnxruntime-node below $MAAS_NPM (t/models/npm.sh puts it there).
// Prints the median in ms.
import { createRequire } from 'node:module';

const ort = createRequire(process.env.MAAS_NPM + '/')('onnxruntime-node');
const [model, seconds] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential',
    graphOptimizationLevel: 'all', logSeverityLevel: 3,
});

const feeds = {};
for (const input of session.inputMetadata) {
    const dims = input.shape.map((d) => typeof d === 'number' && d > 0 ? d : 1);
    const n = dims.reduce((a, b) => a * b, 1);
    if (input.type !== 'float32') throw new Error(`${input.name}: ${input.type}`);
    feeds[input.name] = new ort.Tensor('float32',
        Float32Array.from({ length: n }, () => Math.random() * 2 - 1), dims);
}

for (let i = 0; i < 5; i++) await session.run(feeds);

const ms = [];
const end = performance.now() + seconds * 1000;
while (performance.now() < end || ms.length < 3) {
    const t = performance.now();
    await session.run(feeds);
    ms.push(performance.now() - t);
}
ms.sort((a, b) => a - b);
console.log(ms[ms.length >> 1].toFixed(4));
