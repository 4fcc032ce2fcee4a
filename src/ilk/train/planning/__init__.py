"""What a run will be: the machine, the images, the choices, how long and how much memory."""
