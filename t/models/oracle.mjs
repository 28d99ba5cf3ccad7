// Runs a model in ONNX Runtime and writes what comes out.
//
//     node oracle.mjs JOB.json
//
// JOB.json: {"npm": DIR, "model": FILE, "out": DIR, "levels": [LEVEL, ...],
// "runs": [{"INPUT": "FILE.npy", ...}, ...]}.  LEVEL is a
// graphOptimizationLevel.  Outputs of run R go to OUT/LEVEL/R/, one .npy
// each, with outputs.json = {"output name": "file.npy"}, as `maas run` does.
// "carry": {"INPUT": "OUTPUT"} gives an output of a run to the next one.
// Many models in one process: "batch": [{"model", "out", "runs"}, ...]; what
// ONNX Runtime says of one that it refuses goes to OUT/error.txt.
// The last line on stdout is {"version": ..., "levels": {LEVEL: seconds}}.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const dtypes = {
    float32: ['<f4', Float32Array], float64: ['<f8', Float64Array],
    int8: ['|i1', Int8Array], uint8: ['|u1', Uint8Array],
    int16: ['<i2', Int16Array], uint16: ['<u2', Uint16Array],
    int32: ['<i4', Int32Array], uint32: ['<u4', Uint32Array],
    int64: ['<i8', BigInt64Array], uint64: ['<u8', BigUint64Array],
    bool: ['|b1', Uint8Array], float16: ['<f2', Uint16Array],
};


// Strings are a nested list in JSON.
function textRead(ort, file)
{
    const list = JSON.parse(readFileSync(file));
    const dims = [];

    for (let at = list; Array.isArray(at); at = at[0]) {
        dims.push(at.length);
    }

    return new ort.Tensor('string', list.flat(Infinity), dims);
}


function npyRead(ort, file)
{
    if (file.endsWith('.json')) {
        return textRead(ort, file);
    }

    const buf = readFileSync(file);
    const wide = buf[6] >= 2;
    const start = wide ? 12 : 10;
    const end = start + (wide ? buf.readUInt32LE(8) : buf.readUInt16LE(8));
    const text = buf.toString('latin1', start, end);
    const descr = /'descr': *'([^']*)'/.exec(text)[1];
    const dims = /'shape': *\(([^)]*)\)/.exec(text)[1]
        .split(',').filter(s => s.trim() !== '').map(Number);
    const row = Object.entries(dtypes).find(([, [d]]) => d === descr);

    if (row === undefined || /'fortran_order': *True/.test(text)) {
        throw new Error(`${file}: cannot read ${text.trim()}`);
    }

    const bytes = Uint8Array.from(buf.subarray(end));
    const data = new row[1][1](bytes.buffer);

    return new ort.Tensor(row[0], data, dims);
}


// As `maas run` writes strings: bytes, padded to the longest.
function textBytes(list)
{
    const all = list.map(s => Buffer.from(s));
    const wide = all.reduce((a, b) => Math.max(a, b.length), 1);

    return [`|S${wide}`, Buffer.concat(all.map(b => Buffer.concat(
        [b, Buffer.alloc(wide - b.length)])))];
}


// Of float16 the bits, whatever class this node has for it.
function numbers(tensor)
{
    const [descr, type] = dtypes[tensor.type];
    const { data } = tensor;

    return [descr, tensor.type === 'float16'
        ? new type(data.buffer, data.byteOffset, data.length)
        : type.from(data)];
}


function npyWrite(file, tensor)
{
    const [descr, data] = tensor.type === 'string'
        ? textBytes(Array.from(tensor.data)) : numbers(tensor);
    const dims = tensor.dims.join(', ') + (tensor.dims.length === 1 ? ',' : '');
    let head = `{'descr': '${descr}', 'fortran_order': False, `
               + `'shape': (${dims}), }`;

    head = head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11) + '\n';

    const size = Buffer.alloc(2);

    size.writeUInt16LE(head.length);
    writeFileSync(file, Buffer.concat([
        Buffer.from('\x93NUMPY\x01\x00', 'latin1'), size, Buffer.from(head),
        Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    ]));
}


const job = JSON.parse(readFileSync(process.argv[2]));
const npm = createRequire(resolve(job.npm, 'package.json'));
const ort = npm('onnxruntime-node');
const seconds = {};

ort.env.logLevel = 'error';

async function runModel(level, model, out, runs, carry)
{
    const session = await ort.InferenceSession.create(model, {
        graphOptimizationLevel: level,
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
    });

    let last = null;

    for (const [r, files] of runs.entries()) {
        const dir = join(out, level, String(r));
        const feeds = {}, names = {};

        for (const [name, file] of Object.entries(files)) {
            feeds[name] = npyRead(ort, file);
        }

        for (const [to, from] of Object.entries(carry ?? {})) {
            if (last !== null) {
                feeds[to] = last[from];
            }
        }

        const result = last = await session.run(feeds);
        mkdirSync(dir, { recursive: true });

        for (const [i, name] of session.outputNames.entries()) {
            npyWrite(join(dir, `${i}.npy`), result[name]);
            names[name] = `${i}.npy`;
        }

        writeFileSync(join(dir, 'outputs.json'), JSON.stringify(names));
    }

    await session.release();
}


for (const level of job.levels) {
    const start = process.hrtime.bigint();

    if (job.batch === undefined) {
        await runModel(level, job.model, job.out, job.runs, job.carry);
    }

    for (const { model, out, runs } of job.batch ?? []) {
        try {
            await runModel(level, model, out, runs);
        } catch (e) {
            writeFileSync(join(out, 'error.txt'), String(e.message ?? e));
        }
    }

    seconds[level] = Number(process.hrtime.bigint() - start) / 1e9;
}

const { version } = npm('onnxruntime-node/package.json');
console.log(JSON.stringify({ version, levels: seconds }));
