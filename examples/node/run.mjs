// Run a standalone module in Node: node run.mjs MODULE.wasm INPUT.bin > OUTPUT.bin      (raw little-endian tensors)
import { readFileSync, writeSync } from "node:fs";

const [, , modulePath, ...inputPaths] = process.argv;
const module = await WebAssembly.compile(readFileSync(modulePath));
const [section] = WebAssembly.Module.customSections(module, "edge.manifest");
const manifest = JSON.parse(new TextDecoder().decode(section));
const { exports } = await WebAssembly.instantiate(module, {}); // a standalone module imports nothing

const check = (status) => { if (status !== 0) throw new Error(`kernel status 0x${status.toString(16)}`); };
check(exports.prepare());
inputPaths.forEach((path, k) => {
  new Uint8Array(exports.memory.buffer).set(readFileSync(path), manifest.inputs[k].offset);
});
check(exports.infer());
for (const { offset, dtype, shape } of manifest.outputs) {
  const size = shape.reduce((a, b) => a * b, 1) * { int8: 1, uint8: 1, float32: 4 }[dtype];
  writeSync(1, new Uint8Array(exports.memory.buffer, offset, size));
}
