"""What a run would make of some images: a step, its losses and its views, none taken."""
