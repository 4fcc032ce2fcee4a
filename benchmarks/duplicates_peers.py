"""What other tools find in a folder, in an environment of their own that need not have ilk.

python benchmarks/duplicates_peers.py imagededup|cleanvision FOLDER OUT.json
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path


def spent() -> float:
    """Processor seconds, with those of processes that were waited for."""
    return sum(os.times()[:4])


def imagededup(folder: str) -> dict:
    from imagededup.methods import PHash

    method = PHash(verbose=False)
    codes = method.encode_images(folder, num_enc_workers=0)
    coded = spent()
    found = method.find_duplicates(
        encoding_map=codes, max_distance_threshold=12, scores=True, num_dist_workers=0
    )
    pairs = [(a, b, int(bits)) for a, near in found.items() for b, bits in near if a < b]
    return {"pairs": pairs, "coded": coded}


def cleanvision(folder: str) -> dict:
    from cleanvision import Imagelab

    lab = Imagelab(data_path=folder, verbose=False)
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=1, verbose=False)
    sets = [lab.info[kind]["sets"] for kind in ("exact_duplicates", "near_duplicates")]
    return {"groups": [[Path(p).name for p in group] for some in sets for group in some]}


if __name__ == "__main__":
    tool, folder, out = sys.argv[1:]
    began = spent()
    found = {"imagededup": imagededup, "cleanvision": cleanvision}[tool](folder)
    found["processor_seconds"] = round(spent() - began, 1)
    if "coded" in found:
        found["look_processor_seconds"] = round(found.pop("coded") - began, 1)
    found["versions"] = {tool: version(tool)}
    Path(out).write_text(json.dumps(found))
