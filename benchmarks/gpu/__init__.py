"""Everything once on a machine with one large GPU, without a network, within minutes.

    make gpu-prepare       here: CIFAR-10 as lossless WebP and wheels into build/gpu
    make gpu               there: laws, speed, then the decisive cells of the map of regimes
    make gpu-tiny          here: the same on a processor with toy sizes, in two minutes

Work is cut into units, each a function with a name that gives one row of JSON. Units run in
processes of their own, since an error on a device spoils its process, and every row is written
as soon as it is there: a run that is cut short loses what was under way and nothing else.
"""
