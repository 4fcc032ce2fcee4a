"""Write the golden losses anew; look at the difference before you commit it."""

import json

from lightning_fabric import Fabric

from tests.golden.losses import FILE, first_losses
from tests.laws.world import CASES, built, label

if __name__ == "__main__":
    fabric = Fabric(accelerator="cpu", devices=1)
    losses = {label(case): first_losses(built(fabric, *case)) for case in CASES}
    rows = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in losses.items()]
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n")
