// Trains an adapter from its artifacts in the WebAssembly build of ONNX Runtime Training, as a page in a browser would.
// node train.mjs ARTIFACTS BATCHES STEPS
//   ARTIFACTS  a folder that `aligner train artifacts --inline` wrote
//   BATCHES    a JSON file: a list of batches, each { name: { type: "int64" | "float32", dims: [...], data: [...] } }; they take turns
// Writes { losses, evaluation, parameters } to standard output: the loss of each step before its update, that of the first batch after the last one, tokens and gates.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const [artifacts, batchFile, steps] = process.argv.slice(2);
const dist = new URL('./node_modules/onnxruntime-web/dist/', import.meta.url);
// The package offers its training build to browsers only; node takes it by its path.
const ort = await import(fileURLToPath(new URL('ort.training.wasm.mjs', dist)));
ort.env.wasm.wasmPaths = dist.href;
ort.env.wasm.numThreads = 1;

const read = (name) => new Uint8Array(readFileSync(join(artifacts, name)));
const session = await ort.TrainingSession.create({
  checkpointState: read('checkpoint'),
  trainModel: read('training_model.onnx'),
  evalModel: read('eval_model.onnx'),
  optimizerModel: read('optimizer_model.onnx'),
}, { executionProviders: ['wasm'] });

const tensor = ({ type, dims, data }) => new ort.Tensor(type, type === 'int64' ? BigInt64Array.from(data, BigInt) : Float32Array.from(data), dims);
const batches = JSON.parse(readFileSync(batchFile)).map((batch) => Object.fromEntries(Object.entries(batch).map(([name, value]) => [name, tensor(value)])));

const losses = [];
for (let step = 0; step < Number(steps); step++) {
  const results = await session.runTrainStep(batches[step % batches.length]);
  losses.push(results.loss.data[0]);
  await session.runOptimizerStep();
  await session.lazyResetGrad();
}
const evaluation = (await session.runEvalStep(batches[0])).loss.data[0];
const parameters = Array.from((await session.getContiguousParameters(true)).data);
process.stdout.write(JSON.stringify({ losses, evaluation, parameters }));
