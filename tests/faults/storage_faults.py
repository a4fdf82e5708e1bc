"""Faults of the folder of snapshots: no room, files torn or overwritten."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

SIZE_MIB = 64


def mounted(folder):
    """Give the folder a small file system of its own; return whether this machine allows it."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(folder)]
    return (
        os.geteuid() == 0 and shutil.which("mount") is not None and subprocess.run(command, check=False).returncode == 0
    )


def unmount(folder):
    """Take it away again."""
    subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def fill(world):
    """Take all room of the disk for some seconds, kill a daemon meanwhile, then give the room back."""
    filler = world.folder / "filler"
    with filler.open("wb") as taken, contextlib.suppress(OSError):
        while True:
            taken.write(bytes(1 << 16))
            taken.flush()
    time.sleep(world.dice.uniform(3, 6))
    replica = world.any_replica()
    replica.kill()
    replica.start()
    time.sleep(world.dice.uniform(1, 4))
    filler.unlink()
    return f"{replica.name} killed meanwhile"


def garble(world):
    """Tear, overwrite or delete a third of the files while daemons are dead, then start them."""
    for replica in world.mortal:
        replica.kill()
    files = sorted(path for path in world.folder.rglob("*") if path.is_file())
    chosen = world.dice.sample(files, len(files) // 3)
    for path in chosen:
        _spoil(world, path)
    for replica in world.mortal:
        replica.start()
    return f"{len(chosen)} of {len(files)} files, daemons killed"


def _spoil(world, path: Path):
    with contextlib.suppress(FileNotFoundError):
        size = path.stat().st_size
        match world.dice.randrange(3):
            case 0:
                os.truncate(path, size // 2)
            case 1:
                path.write_bytes(world.dice.randbytes(size))
            case _:
                path.unlink()
