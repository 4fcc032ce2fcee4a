"""What a run would make of some images: a step, its losses and its views, none of them taken."""
