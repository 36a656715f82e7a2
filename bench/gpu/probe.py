"""What a card's products, copies and simple kernels reach in torch, as JSON into the file that is named. Takes half a minute.

    python3 bench/gpu/probe.py probe.json
"""

import json
import sys
import time

import torch

# Inputs and outputs of the model's matrices: q, k and v; attention output; gate and up; down.
SHAPES = {"qkv": (1536, 2048), "attention output": (1536, 1536), "gate and up": (1536, 17920), "down": (8960, 1536)}
ROWS = (160, 1280, 1600, 2048, 4096, 8192)
# A graph's small inputs, and the KV state of a document of 128 tokens.
COPIED_BYTES = (65536, 3670016)
FEED_FORWARD = 8960


def median(values):
    return sorted(values)[len(values) // 2]


def seconds_on_card(work, repeats=30):
    """Median time of some work between two events on the card."""
    for _ in range(5):
        work()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return median(times)


def products():
    for name, (inputs, outputs) in SHAPES.items():
        weights = torch.randn(outputs, inputs, device="cuda", dtype=torch.bfloat16)
        weights8 = weights.to(torch.float8_e4m3fn)
        for rows in ROWS:
            x = torch.randn(rows, inputs, device="cuda", dtype=torch.bfloat16)
            x8 = x.to(torch.float8_e4m3fn)
            scales = {"scale_a": torch.ones(rows, 1, device="cuda"), "scale_b": torch.ones(1, outputs, device="cuda")}

            def product8():
                torch._scaled_mm(x8, weights8.t(), out_dtype=torch.bfloat16, **scales)

            flop = 2 * rows * inputs * outputs
            found = {"name": name, "inputs": inputs, "outputs": outputs, "rows": rows}
            found["bf16"] = flop / seconds_on_card(lambda: x @ weights.t())
            try:
                found["fp8"] = flop / seconds_on_card(product8)
            except Exception as error:  # cards before Ada have no fp8, and torch's function is not a stable one
                found["fp8"] = None
                print(f"fp8: {error}", file=sys.stderr)
            print(found, file=sys.stderr)
            yield found


def silu_up(rows=8192):
    gate_up = torch.randn(rows, 2 * FEED_FORWARD, device="cuda", dtype=torch.bfloat16)
    gate, up = gate_up[:, :FEED_FORWARD], gate_up[:, FEED_FORWARD:]
    return {"rows": rows, "seconds": seconds_on_card(lambda: torch.nn.functional.silu(gate) * up)}


def copies():
    """With the wait for it, which a batch's inputs and logits need too."""
    for size in COPIED_BYTES:
        device = torch.empty(size, device="cuda", dtype=torch.uint8)
        for memory in ("pageable", "pinned"):
            host = torch.ones(size, dtype=torch.uint8, pin_memory=memory == "pinned")
            for direction, to, source in (("to the card", device, host), ("from the card", host, device)):
                times = []
                for _ in range(200):
                    start = time.perf_counter()
                    to.copy_(source, non_blocking=True)
                    torch.cuda.synchronize()
                    times.append(time.perf_counter() - start)
                yield {"bytes": size, "memory": memory, "direction": direction, "seconds": median(times)}


def device_bandwidth(size=1 << 30):
    """Bytes a second, of those read and those written."""
    source, to = (torch.empty(size, device="cuda", dtype=torch.uint8) for _ in range(2))
    return 2 * size / seconds_on_card(lambda: to.copy_(source))


torch.manual_seed(0)
probe = {
    "device": torch.cuda.get_device_name(),
    "torch": torch.__version__,
    "products": list(products()),
    "siluUp": silu_up(),
    "copies": list(copies()),
    "deviceBandwidth": device_bandwidth(),
}
with open(sys.argv[1], "w", encoding="utf8") as file:
    json.dump(probe, file, indent=1)
