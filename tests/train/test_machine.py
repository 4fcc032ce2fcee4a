"""How much memory there is, read from a made-up machine."""

import torch

from ilk.train.planning.machine import host_memory, memory_of, peak_of

GIB = 2**30


def machine(root, *, cgroup: str) -> None:
    files = {
        "proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\nHugePages: 3\n",
        "proc/self/statm": "100 50 20",
        "proc/self/cgroup": cgroup,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def group(root, place: str, **files: object) -> None:
    folder = root / "sys/fs/cgroup" / place
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(str(text))


def test_without_limits_it_is_the_machines(tmp_path):
    machine(tmp_path, cgroup="0::/\n")
    found = host_memory(tmp_path)
    assert (found.total, found.free) == (16 * GIB, 8 * GIB)
    assert found.reachable == found.free + found.held


def test_the_tightest_group_counts_and_cached_files_do_not(tmp_path):
    machine(tmp_path, cgroup="0::/slice/job\n")
    group(tmp_path, "", memory__max="max", memory__current=5 * GIB)
    stat = f"anon 1\ninactive_file {GIB}\n"
    group(tmp_path, "slice", memory__max=4 * GIB, memory__current=3 * GIB, memory__stat=stat)
    group(tmp_path, "slice/job", memory__max=6 * GIB, memory__current=GIB)
    found = host_memory(tmp_path)
    assert (found.total, found.free) == (4 * GIB, 2 * GIB)


def test_groups_of_the_first_version(tmp_path):
    machine(tmp_path, cgroup="3:cpu:/\n4:memory:/job\n")
    folder = tmp_path / "sys/fs/cgroup/memory/job"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(str(3 * GIB))
    (folder / "memory.usage_in_bytes").write_text(str(2 * GIB))
    found = host_memory(tmp_path)
    assert (found.total, found.free) == (3 * GIB, GIB)


def test_this_machine(tmp_path):
    found = memory_of(torch.device("cpu"))
    assert 0 < found.held <= found.total
    assert 0 < found.free <= found.total
    assert peak_of(torch.device("cpu")) >= found.held // 2
    nowhere = host_memory(tmp_path)
    assert 0 < nowhere.free < nowhere.total
