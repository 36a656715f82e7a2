"""vLLM's offline engine as a classifier of one label, after its documentation. What it reads and answers is in python.mjs."""

import json
import os
import sys
import tempfile
import time


def config_of(shape):
    return {
        "architectures": ["Qwen2ForSequenceClassification"],
        "model_type": "qwen2",
        "vocab_size": shape["vocabularySize"],
        "hidden_size": shape["embeddingLength"],
        "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["embeddingLength"] // shape["headLength"],
        "num_key_value_heads": shape["kvHeads"],
        "intermediate_size": shape["feedForwardLength"],
        "max_position_embeddings": 32768,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "num_labels": 1,
        "torch_dtype": "bfloat16",
    }


def main():
    # vLLM logs to standard output, where the answers go.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import vllm

    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "config.json"), "w", encoding="utf8") as file:
            json.dump(config_of(json.loads(sys.stdin.readline())), file)
        model = vllm.LLM(
            model=folder,
            runner="pooling",
            load_format="dummy",
            skip_tokenizer_init=True,
            dtype="bfloat16",
            max_model_len=8192,
            # The other drivers of a trial are on the same card.
            gpu_memory_utilization=0.2,
        )
    print(json.dumps({"vllm": vllm.__version__}), file=answers, flush=True)
    for line in sys.stdin:
        prompts = [{"prompt_token_ids": pair} for pair in json.loads(line)["pairs"]]
        start = time.perf_counter()
        outputs = model.classify(prompts, use_tqdm=False)
        logits = [output.outputs.probs[0] for output in outputs]
        print(json.dumps({"seconds": time.perf_counter() - start, "logits": logits}), file=answers, flush=True)


# Processes that vLLM spawns run this file again, under another name.
if __name__ == "__main__":
    main()
