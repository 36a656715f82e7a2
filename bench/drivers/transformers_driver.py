"""transformers on torch. What it reads and answers is in python.mjs."""

import json
import sys
import time

import torch
import transformers

shape = json.loads(sys.stdin.readline())
device = "cuda" if shape["gpu"] else "cpu"
if shape["threads"] > 0:
    torch.set_num_threads(shape["threads"])
config = transformers.Qwen2Config(
    vocab_size=shape["vocabularySize"],
    hidden_size=shape["embeddingLength"],
    num_hidden_layers=shape["layers"],
    num_attention_heads=shape["embeddingLength"] // shape["headLength"],
    num_key_value_heads=shape["kvHeads"],
    intermediate_size=shape["feedForwardLength"],
    rope_theta=1e6,
    rms_norm_eps=1e-6,
    attn_implementation="sdpa",
)
torch.manual_seed(1)
with torch.device(device):
    torch.set_default_dtype(torch.bfloat16)
    model = transformers.Qwen2Model(config).eval()
    width = shape["embeddingLength"]
    head = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 1)).eval()

if shape["compiled"]:
    # For each shape anew: a rival's best, as documents of a request are mostly of one length here.
    model = torch.compile(model, dynamic=False)

facts = {"torch": torch.__version__, "transformers": transformers.__version__, "device": device}
if device == "cuda":
    facts["name"] = torch.cuda.get_device_name()
    # The card's speed for a matrix product that is large enough to fill it.
    left, right = (torch.randn(8192, 8192, device=device) for _ in range(2))
    for _ in range(3):
        left @ right
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        left @ right
    torch.cuda.synchronize()
    facts["bf16MatmulTflops"] = 10 * 2 * 8192**3 / (time.perf_counter() - start) / 1e12
    del left, right
print(json.dumps(facts), flush=True)


def score(pairs):
    """Pairs of equal length need no mask, which is faster. Others are padded on the right."""
    longest = max(len(pair) for pair in pairs)
    ids = torch.tensor([pair + [0] * (longest - len(pair)) for pair in pairs], device=device)
    lengths = torch.tensor([len(pair) for pair in pairs], device=device)
    mask = None
    if any(len(pair) != longest for pair in pairs):
        mask = torch.arange(longest, device=device)[None, :] < lengths[:, None]
    hidden = model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    last = hidden[torch.arange(len(pairs), device=device), lengths - 1]
    return head(last).float().reshape(-1).tolist()


prepared = set()
# Compiled models may not take tensors of inference mode.
with torch.no_grad() if shape["compiled"] else torch.inference_mode():
    for line in sys.stdin:
        pairs = json.loads(line)["pairs"]
        size = (len(pairs), max(len(pair) for pair in pairs))
        if shape["compiled"] and size not in prepared:
            # Compiling takes up to a minute, which is not part of the time.
            for _ in range(3):
                score(pairs)
            prepared.add(size)
        start = time.perf_counter()
        # Reading the result waits until the device is done.
        logits = score(pairs)
        print(json.dumps({"seconds": time.perf_counter() - start, "logits": logits}), flush=True)
