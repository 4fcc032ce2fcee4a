"""``ilk completion``: what a shell needs to complete commands and flags."""

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Write the completion of a shell to standard output.

    Parameters
    ----------
    shell
        Complete the commands of this shell. For bash, add `eval "$(ilk completion bash)"` to
        ~/.bashrc; for zsh, write it to a file _ilk in a folder of $fpath; for fish, write it to
        ~/.config/fish/completions/ilk.fish.
    """
    from ilk.cli import app

    print(app.generate_completion(shell=shell))
