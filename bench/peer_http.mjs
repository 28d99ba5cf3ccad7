// A model behind node's HTTP server: ONNX Runtime, one thread.
//
//     node peer_http.mjs NPM_DIR MODEL.onnx PORT
//
// POST {"instances": [[...], ...]}, float32 rows of the model's only input;
// answers {"predictions": [[...], ...]}.  Says "ready" when it listens.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [, , dir, model, port] = process.argv;
const ort = createRequire(resolve(dir, 'package.json'))('onnxruntime-node');

ort.env.logLevel = 'error';

const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
});
const [input] = session.inputNames, [output] = session.outputNames;

async function predict(text) {
    const rows = JSON.parse(text).instances;
    const x = new ort.Tensor('float32', Float32Array.from(rows.flat()),
                             [rows.length, rows[0].length]);
    const y = (await session.run({ [input]: x }))[output];
    const wide = y.dims[1];

    return JSON.stringify({
        predictions: rows.map((_, i) =>
            Array.from(y.data.subarray(i * wide, (i + 1) * wide))),
    });
}

const server = createServer((request, response) => {
    const parts = [];

    request.on('data', part => parts.push(part));
    request.on('end', async () => {
        const [status, body] = await predict(Buffer.concat(parts).toString())
            .then(t => [200, t], e => [400, JSON.stringify({ error: `${e}` })]);

        response.writeHead(status, {
            'Content-Type': 'application/json',
            'Content-Length': Buffer.byteLength(body),
        });
        response.end(body);
    });
});

server.keepAliveTimeout = 600000;
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
