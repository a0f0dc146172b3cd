"""Which files .dockerignore lets through, by Docker's rules: the last line that fits a file or a folder above it decides."""

import re
from pathlib import PurePosixPath


class Ignore:
    def __init__(self, text):
        self.rules = []
        for line in text.splitlines():
            line = line.strip()
            if line and not line.startswith("#"):
                lets_through = line.startswith("!")
                self.rules.append((_pattern(line.lstrip("!").strip("/")), lets_through))

    def lets_through(self, path):
        path = PurePosixPath(path)
        places = [path, *path.parents][:-1]
        verdict = True
        for pattern, lets_through in self.rules:
            if any(pattern.fullmatch(str(place)) for place in places):
                verdict = lets_through
        return verdict

    def context(self, root):
        """All files a builder gets, as paths below `root`. Folders that nothing can come from are not walked."""
        for folder in sorted(root.iterdir()):
            if folder.name in (".git", "target", "node_modules"):
                continue
            for file in [folder] if folder.is_file() else sorted(folder.rglob("*")):
                path = file.relative_to(root).as_posix()
                if file.is_file() and self.lets_through(path):
                    yield path


def _pattern(text):
    translated = ""
    for part in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", text):
        translated += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part) or re.escape(part)
    return re.compile(translated)
