/** What no tensor tells: config.json and preprocessor_config.json of the repository, checked before anything uses them. Pure. */

import { type Static, type TSchema, Type } from "typebox";
import { RerankError } from "../errors.js";
import { mergedSide, type Normalization, patchLength } from "../gguf/mmproj.js";
import { parseAnswer, WrongAnswer } from "../model/hub-answers.js";

/** Keys that are missing have the value that transformers gives them. */
const same = <Value extends string | number | boolean>(value: Value) => Type.Optional(Type.Literal(value));

const Config = Type.Object({
  model_type: Type.Literal("qwen2_vl"),
  vision_config: Type.Object({
    num_heads: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
    hidden_act: same("quick_gelu"),
    patch_size: same(patchLength),
    spatial_merge_size: same(mergedSide),
    temporal_patch_size: same(2),
  }),
});
const defaultHeads = 16;

/** Attention heads of the tower. */
export function headsOf(config: string): number {
  return parse(Config, config, "config.json").vision_config.num_heads ?? defaultHeads;
}

const Colours = (minimum: number) => Type.Array(Type.Number({ minimum, maximum: 1 }), { minItems: 3, maxItems: 3 });

const Preprocessor = Type.Object({
  image_mean: Colours(0),
  image_std: Colours(0.01),
  do_normalize: same(true),
  patch_size: same(patchLength),
  merge_size: same(mergedSide),
  temporal_patch_size: same(2),
});

/** As the repository has it: the tower was trained with it, whatever it is. */
export function normalizationOf(preprocessor: string): Normalization {
  const { image_mean: mean, image_std: std } = parse(Preprocessor, preprocessor, "preprocessor_config.json");
  return { mean, std };
}

/** A name of a shard becomes a part of an address. */
const Shard = Type.String({ pattern: "^[\\w-][\\w.-]*\\.safetensors$", maxLength: 200 });
const Index = Type.Object({ weight_map: Type.Record(Type.String(), Shard) });
/** The published model would have five of the usual 1 GB. */
const maximumShards = 50;

/** The safetensors files that have tensors of the tower, in the order that llama.cpp's converter reads them. */
export function visualShards(index: string): readonly string[] {
  const name = "model.safetensors.index.json";
  const all = Object.entries(parse(Index, index, name).weight_map);
  const shards = [...new Set(all.flatMap(([tensor, shard]) => (tensor.startsWith("visual.") ? [shard] : [])))].sort();
  if (shards.length > 0 && shards.length <= maximumShards) return shards;
  throw new RerankError(
    "model_invalid",
    `${name}: ${shards.length} files have tensors of a vision tower, expected 1 to ${maximumShards}`,
  );
}

function parse<Schema extends TSchema>(schema: Schema, text: string, file: string): Static<Schema> {
  try {
    return parseAnswer(schema, text);
  } catch (error) {
    if (!(error instanceof WrongAnswer)) throw error;
    const message = `${file}: ${error.message}; it is not the vision tower of jina-reranker-m0`;
    throw new RerankError("model_invalid", message, { cause: error });
  }
}
