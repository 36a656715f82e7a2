/**
 * A random vision tower in two forms: the safetensors files of a repository, and the mmproj GGUF that llama.cpp's converter makes
 * of them (conversion/qwenvl.py, with the files in the order of their names and the tensors in that of theirs). Both are computed
 * plainly here, with nothing of the code that they test.
 */

import type { MmprojShape } from "../../src/gguf/mmproj.js";

export interface RandomTower {
  /** By path inside the repository: config, preprocessor, and the safetensors with their index. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Bytes of the tower's tensors in the safetensors. */
  readonly sourceBytes: number;
  mmproj(type: "q8_0" | "f16", name: string): Buffer;
}

export const mean = [0.48145466, 0.4578275, 0.40821073];
export const std = [0.26862954, 0.26130258, 0.27577711];

export interface TowerTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly bits: Uint16Array;
}

/** `shards` 1: one file without an index. Tensors of a language model lie before and behind the tower's. */
export function randomTower(shape: MmprojShape, shards: number, seed = 1): RandomTower {
  const random = generator(seed);
  const visual = sourceShapes(shape).map(([name, lengths]): TowerTensor => {
    const bits = new Uint16Array(product(lengths));
    for (let index = 0; index < bits.length; index++) bits[index] = randomBf16(random);
    return { name, shape: lengths, bits };
  });
  visual.sort((left, right) => (left.name < right.name ? -1 : 1));
  const perShard = Math.ceil(visual.length / shards);
  const groups = Array.from({ length: shards }, (_, index) => visual.slice(index * perShard, (index + 1) * perShard));
  const names = groups.map((_, index) =>
    shards === 1
      ? "model.safetensors"
      : `model-${String(index + 1).padStart(5, "0")}-of-${String(shards).padStart(5, "0")}.safetensors`,
  );
  const text = (name: string): TowerTensor => ({ name, shape: [100, 1000], bits: new Uint16Array(100_000).fill(0x7fc0) });
  const files = new Map<string, Buffer>();
  const map: Record<string, string> = {};
  for (const [index, group] of groups.entries()) {
    const tensors = [text(`model.layers.${index}.weight`), ...group, text(`zzz.${index}.weight`)];
    const file = names[index] ?? "";
    files.set(file, safetensors(tensors));
    for (const { name } of tensors) map[name] = file;
  }
  if (shards > 1) files.set("model.safetensors.index.json", json({ metadata: { total_size: 1 }, weight_map: map }));
  files.set("config.json", json(config(shape)));
  files.set(
    "preprocessor_config.json",
    json({ image_mean: mean, image_std: std, patch_size: 14, merge_size: 2, min_pixels: 3136 }),
  );
  const made = new Map<string, Buffer>();
  return {
    files,
    sourceBytes: visual.reduce((sum, { bits }) => sum + bits.byteLength, 0),
    mmproj(type, name) {
      const known = made.get(`${type} ${name}`) ?? gguf(shape, visual, type, name);
      made.set(`${type} ${name}`, known);
      return known;
    },
  };
}

export function config({ embeddingLength, headLength, projectionLength }: MmprojShape) {
  const vision_config = { num_heads: embeddingLength / headLength, hidden_size: projectionLength, patch_size: 14 };
  return { model_type: "qwen2_vl", hidden_size: projectionLength, vision_config };
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** `change` edits the header before it is written. */
export function safetensors(
  tensors: readonly TowerTensor[],
  change: (header: Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>) => void = () => {},
): Buffer {
  const header: Parameters<typeof change>[0] = {};
  let at = 0;
  for (const { name, shape, bits } of tensors) {
    header[name] = { dtype: "BF16", shape: [...shape], data_offsets: [at, at + bits.byteLength] };
    at += bits.byteLength;
  }
  change(header);
  const text = Buffer.from(JSON.stringify({ __metadata__: { format: "pt" }, ...header }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...tensors.map(({ bits }) => Buffer.from(bits.buffer))]);
}

/** The tower's tensors as transformers names and shapes them. */
export function sourceShapes({ layers, embeddingLength: width, feedForwardLength: wide, projectionLength }: MmprojShape) {
  const linear = (name: string, outputs: number, inputs: number): [string, number[]][] => [
    [`visual.${name}.weight`, [outputs, inputs]],
    [`visual.${name}.bias`, [outputs]],
  ];
  const norm = (name: string): [string, number[]][] => ["weight", "bias"].map((part) => [`visual.${name}.${part}`, [width]]);
  const blocks = Array.from({ length: layers }, (_, index) => `blocks.${index}.`);
  const all: [string, number[]][] = [
    ["visual.patch_embed.proj.weight", [width, 3, 2, 14, 14]],
    ...blocks.flatMap((block) => [
      ...norm(`${block}norm1`),
      ...norm(`${block}norm2`),
      ...linear(`${block}attn.qkv`, 3 * width, width),
      ...linear(`${block}attn.proj`, width, width),
      ...linear(`${block}mlp.fc1`, wide, width),
      ...linear(`${block}mlp.fc2`, width, wide),
    ]),
    ...norm("merger.ln_q"),
    ...linear("merger.mlp.0", 4 * width, 4 * width),
    ...linear("merger.mlp.2", projectionLength, 4 * width),
  ];
  return all;
}

const product = (lengths: readonly number[]) => lengths.reduce((left, right) => left * right, 1);

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 16;
  };
}

/** Mostly like weights; now and then 0, or so small that F16 has to round it. */
function randomBf16(random: () => number): number {
  const sign = random() & 0x8000;
  const kind = random() % 16;
  if (kind === 0) return sign;
  const exponent = kind === 1 ? 127 - 26 + (random() % 13) : 127 - 8 + (random() % 7);
  return sign | (exponent << 7) | (random() & 0x7f);
}

interface GgufTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: "f32" | "f16" | "q8_0";
  readonly values: Float32Array;
}

const parts: readonly [RegExp, string][] = [
  [/^visual\.blocks\.(\d+)\.norm([12])/, "v.blk.$1.ln$2"],
  [/^visual\.blocks\.(\d+)\.attn\.proj/, "v.blk.$1.attn_out"],
  [/^visual\.blocks\.(\d+)\.mlp\.fc1/, "v.blk.$1.ffn_up"],
  [/^visual\.blocks\.(\d+)\.mlp\.fc2/, "v.blk.$1.ffn_down"],
  [/^visual\.merger\.ln_q/, "v.post_ln"],
  [/^visual\.merger\.mlp\.(\d)/, "mm.$1"],
];

function gguf(shape: MmprojShape, visual: readonly TowerTensor[], type: "q8_0" | "f16", name: string): Buffer {
  const tensors = visual.flatMap((tensor): GgufTensor[] => {
    const values = new Float32Array(Uint32Array.from(tensor.bits, (bits) => bits << 16).buffer);
    const [rows = 0, ...inner] = tensor.shape;
    const of = inner.length === 0 ? "f32" : type;
    if (tensor.name.includes(".qkv.")) {
      const third = values.length / 3;
      return ["q", "k", "v"].map((letter, index) => ({
        name: tensor.name.replace(/^visual\.blocks\.(\d+)\.attn\.qkv/, `v.blk.$1.attn_${letter}`),
        shape: [...inner, rows / 3],
        type: of,
        values: values.slice(index * third, (index + 1) * third),
      }));
    }
    if (inner.length === 4) {
      return [0, 1].map((frame) => ({
        name: `v.patch_embd.weight${frame === 0 ? "" : ".1"}`,
        shape: [14, 14, 3, rows],
        type: type === "f16" ? "f16" : "f32",
        values: values.filter((_, index) => Math.floor(index / 196) % 2 === frame),
      }));
    }
    const renamed = parts.reduce((text, [pattern, to]) => text.replace(pattern, to), tensor.name);
    return [{ name: renamed, shape: [...inner, rows], type: of, values }];
  });
  const { layers, embeddingLength, headLength, projectionLength } = shape;
  const u32 = (value: number) => [number(4, 4), number(value, 4)];
  const text = (value: string) => [number(8, 4), string(value)];
  const f32s = (values: readonly number[]) => [number(9, 4), number(6, 4), number(values.length, 8), ...values.map(float)];
  const metadata: [string, Buffer[]][] = [
    ["general.architecture", text("clip")],
    ["general.type", text("mmproj")],
    ["general.name", text(name)],
    ["general.file_type", u32(type === "f16" ? 1 : 7)],
    ["clip.has_vision_encoder", [number(7, 4), number(1, 1)]],
    ["clip.vision.projection_dim", u32(projectionLength)],
    ["clip.vision.image_size", u32(560)],
    ["clip.vision.patch_size", u32(14)],
    ["clip.vision.embedding_length", u32(embeddingLength)],
    ["clip.vision.feed_forward_length", u32(projectionLength)],
    ["clip.vision.block_count", u32(layers)],
    ["clip.vision.attention.head_count", u32(embeddingLength / headLength)],
    ["clip.vision.image_mean", f32s(mean)],
    ["clip.vision.image_std", f32s(std)],
    ["clip.projector_type", text("qwen2vl_merger")],
    ["clip.vision.attention.layer_norm_epsilon", [number(6, 4), float(1e-6)]],
    ["general.quantization_version", u32(2)],
  ];
  const data = tensors.map((tensor) => aligned(encoded(tensor)));
  let offset = 0;
  const infos = tensors.flatMap(({ name, shape, type }, index) => {
    const info = [
      ...[string(name), number(shape.length, 4), ...shape.map((length) => number(length, 8))],
      ...[number({ f32: 0, f16: 1, q8_0: 8 }[type], 4), number(offset, 8)],
    ];
    offset += data[index]?.length ?? 0;
    return info;
  });
  const header = [
    ...[Buffer.from("GGUF"), number(3, 4), number(tensors.length, 8), number(metadata.length, 8)],
    ...metadata.flatMap(([key, value]) => [string(key), ...value]),
    ...infos,
  ];
  return Buffer.concat([aligned(Buffer.concat(header)), ...data]);
}

function number(value: number, bytes: 1 | 4 | 8): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, Math.min(bytes, 6));
  return buffer;
}

function float(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return buffer;
}

const string = (value: string) => Buffer.concat([number(value.length, 8), Buffer.from(value)]);
const aligned = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((32 - (bytes.length % 32)) % 32)]);

function encoded({ type, values }: GgufTensor): Buffer {
  if (type === "f32") return Buffer.from(values.buffer);
  if (type === "f16") {
    const halves = new Map<number, number>();
    const half = (value: number) => {
      // -0 and 0 are the same key.
      if (value === 0) return halfOf(value);
      const known = halves.get(value) ?? halfOf(value);
      halves.set(value, known);
      return known;
    };
    return Buffer.from(Uint16Array.from(values, half).buffer);
  }
  const bytes = Buffer.alloc((values.length / 32) * 34);
  for (let block = 0; block < values.length / 32; block++) {
    const at = block * 34;
    const of = values.subarray(block * 32, block * 32 + 32);
    let largest = 0;
    for (const value of of) largest = Math.max(largest, Math.abs(value));
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    bytes.writeUInt16LE(halfOf(scale), at);
    for (let index = 0; index < 32; index++) {
      const scaled = Math.fround((of[index] ?? 0) * inverse);
      bytes[at + 2 + index] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
    }
  }
  return bytes;
}

/** Nearest float16, ties to even. For numbers within its range. */
export function halfOf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  const exponent = size === 0 ? -14 : Math.max(-14, Math.floor(Math.log2(size)));
  const steps = size / 2 ** (exponent - 10);
  const down = Math.floor(steps);
  const rest = steps - down;
  const rounded = down + (rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? 1 : 0);
  return sign + ((exponent + 14) << 10) + rounded;
}
