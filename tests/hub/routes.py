"""What the Hub answers: each path that its clients ask for."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pycountry
import yaml

from .repositories import Blob, Repository


__all__ = ["OWNER", "TOKEN", "Answer", "Routes"]

TOKEN = "hf_loopbackTokenOfNobody"
OWNER = "somebody"
_LARGE = re.compile(r"\.(safetensors|parquet|arrow|model|png|bin|onnx|npy)$|(^|/)tokenizer\.json$")
_ONE_WAY = {"model": "", "dataset": "datasets/"}
_DATE = "2026-01-01T00:00:00.000Z"


class Answer(Exception):
    """Status, body and headers of an answer, wherever it is found."""

    def __init__(self, status: int, body: Any = None, code: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers or {})
        if code:
            self.headers["X-Error-Code"] = code


class Routes:
    """The part of a request handler that knows the Hub's paths.

    Attributes:
        hub (`LoopbackHub`): whose repositories these are.
        command (`str`): the method of the request.
        body (`bytes`): of the request.
        query (`dict[str, list[str]]`): of the request.
        headers (`Message`): of the request.
    """

    hub: Any
    command: str
    body: bytes
    query: dict[str, list[str]]
    headers: Any

    def route(self, path: str) -> None:
        json_body = (lambda: json.loads(self.body)) if self.body else dict
        if path == "/api/whoami-v2":
            self._who()
            raise Answer(200, {"type": "user", "name": OWNER, "orgs": [], "auth": {"type": "access_token"}})
        if path == "/api/validate-yaml":
            raise self._validate(json_body()["content"])
        if path == "/api/repos/create":
            raise self._create(json_body())
        if match := re.fullmatch(r"/blobs/([0-9a-f]{64})", path):
            raise self._blob(match[1])
        if match := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/(batch|verify)", path):
            self._writable(match[2])
            raise self._large_files(json_body(), match[2], match[3])
        if match := re.fullmatch(r"/api/(model|dataset)s/([^/]+/[^/]+)(?:/(.*))?", path):
            repository = self._repository(match[1], match[2])
            raise self._api(repository, match[1], match[2], match[3] or "", json_body)
        if match := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/(.+)", path):
            repository = self._repository("dataset" if match[1] else "model", match[2])
            revision, name = self._split_revision(repository, match[3])
            raise self._file(repository, revision, name)

    # ---- Who, and what of ----

    def _who(self) -> str | None:
        given = self.headers.get("Authorization", "")
        if given and given != f"Bearer {TOKEN}":
            raise Answer(401, {"error": "Invalid credentials in Authorization header"})
        if not given and self.command != "GET" and self.command != "HEAD":
            raise Answer(401, {"error": "Invalid username or password."})
        return OWNER if given else None

    def _writable(self, repo_id: str) -> None:
        self._who()
        if repo_id.split("/")[0] not in self.hub.writers:
            raise Answer(403, {"error": f"You don't have the rights to write to {repo_id}"})

    def _repository(self, kind: str, repo_id: str) -> Repository:
        found = self.hub.repositories.get((kind, repo_id))
        if found is None or (found.private and self._who() is None):
            raise Answer(404, {"error": "Repository not found"}, "RepoNotFound")
        return found

    def _split_revision(self, repository: Repository, rest: str) -> tuple[str, str]:
        parts = rest.split("/")
        # Names of branches hold slashes, as refs/pr/1 does: the longest that exists.
        for cut in range(len(parts), 0, -1):
            if oid := repository.find("/".join(parts[:cut])):
                return oid, "/".join(parts[cut:])
        raise Answer(404, {"error": f"Invalid rev id: {parts[0]}"}, "RevisionNotFound")

    # ---- Writing ----

    def _validate(self, content: str) -> Answer:
        match = re.match(r"\s*---\r?\n(.*?)\n---\s", content, re.DOTALL)
        try:
            data = yaml.safe_load(match[1]) if match else {}
        except yaml.YAMLError as error:
            return Answer(400, {"errors": [{"message": f"YAML: {error}"}], "warnings": []})
        languages = (data or {}).get("language") or []
        unknown = [code for code in ([languages] if isinstance(languages, str) else languages) if not _listed(code)]
        errors = [{"message": f'"language" must only contain ISO codes, not {code}'} for code in unknown]
        return Answer(400 if errors else 200, {"errors": errors, "warnings": []})

    def _create(self, asked: dict[str, Any]) -> Answer:
        owner = asked.get("organization") or OWNER
        kind, repo_id = asked.get("type") or "model", f"{owner}/{asked['name']}"
        self._writable(repo_id)
        url = f"{self.hub.url}/{_ONE_WAY[kind]}{repo_id}"
        if (kind, repo_id) in self.hub.repositories:
            return Answer(409, {"error": "You already created this model repo", "url": url})
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        repository = self.hub.repositories[kind, repo_id] = Repository(private)
        attributes = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
        repository.commit("refs/heads/main", {".gitattributes": Blob(attributes, False)}, "initial commit")
        return Answer(200, {"url": url, "name": repo_id, "id": repo_id})

    def _large_files(self, asked: dict[str, Any], repo_id: str, what: str) -> Answer:
        if what == "verify":
            there = self.hub.blobs.get(asked["oid"])
            whole = there is not None and len(there) == asked["size"]
            return Answer(200 if whole else 404, {})
        objects = []
        for one in asked["objects"]:
            entry = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.blobs:
                verify = f"{self.hub.url}/{repo_id}.git/info/lfs/objects/verify"
                upload = f"{self.hub.url}/blobs/{one['oid']}"
                entry["actions"] = {"upload": {"href": upload}, "verify": {"href": verify}}
            objects.append(entry)
        return Answer(200, {"transfer": "basic", "objects": objects})

    def _blob(self, sha256: str) -> Answer:
        if hashlib.sha256(self.body).hexdigest() != sha256:
            return Answer(400, {"error": "the content is not what its name says"})
        self.hub.blobs[sha256] = self.body
        self.hub.uploads.append(sha256)
        return Answer(200)

    def _commit(self, repository: Repository, kind: str, repo_id: str, revision: str) -> Answer:
        self._writable(repo_id)
        lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        header = lines[0]["value"]
        pull_request = "create_pr" in self.query
        base = f"refs/heads/{revision}"
        parent = repository.refs.get(base)
        if parent is None:
            return Answer(404, {"error": f"Invalid rev id: {revision}"}, "RevisionNotFound")
        if header.get("parentCommit") not in (None, parent):
            return Answer(412, {"error": "A commit has happened since. Please refresh and try again."})
        files = dict(repository.commits[parent])
        for line in lines[1:]:
            value, name = line["value"], line["value"]["path"]
            if line["key"] == "file":
                files[name] = Blob(base64.b64decode(value["content"]), False)
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.blobs:
                    return Answer(400, {"error": f"{name}: its content has not arrived"})
                files[name] = Blob(self.hub.blobs[value["oid"]], True)
            elif line["key"] == "deletedFile":
                if files.pop(name, None) is None:
                    return Answer(404, {"error": "A file with this name doesn't exist"}, "EntryNotFound")
        url = f"{self.hub.url}/{_ONE_WAY[kind]}{repo_id}"
        ref = base
        if pull_request:
            number = 1 + sum(name.startswith("refs/pr/") for name in repository.refs)
            ref = f"refs/pr/{number}"
            repository.refs[ref] = parent
        oid = repository.commit(ref, files, header["summary"])
        answer = {"success": True, "commitOid": oid, "commitUrl": f"{url}/commit/{oid}"}
        if pull_request:
            answer["pullRequestUrl"] = f"{url}/discussions/{ref.rpartition('/')[2]}"
        return Answer(200, answer)

    def _api(self, repository: Repository, kind: str, repo_id: str, rest: str, json_body: Any) -> Answer:
        action, _, argument = rest.partition("/")
        if action == "commit":
            return self._commit(repository, kind, repo_id, argument)
        if action == "preupload":
            self._writable(repo_id)
            oid, _ = self._split_revision(repository, argument)
            there = repository.commits[oid]
            files = []
            for file in json_body()["files"]:
                large = bool(_LARGE.search(file["path"])) or file["size"] > 10_000_000
                blob = there.get(file["path"])
                known = None if blob is None else blob.sha256 if blob.large else blob.oid
                mode = "lfs" if large else "regular"
                files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": known})
            return Answer(200, {"files": files})
        if action in ("branch", "tag") and self.command == "POST":
            self._writable(repo_id)
            asked = json_body()
            name = f"refs/heads/{argument}" if action == "branch" else f"refs/tags/{asked['tag']}"
            if name in repository.refs:
                return Answer(409, {"error": "Reference already exists"})
            point = asked.get("startingPoint", "main") if action == "branch" else argument
            repository.refs[name], _ = self._split_revision(repository, point)
            return Answer(201)
        if action == "refs":
            kinds = {"branches": "refs/heads/", "tags": "refs/tags/", "pullRequests": "refs/pr/", "converts": "//"}
            return Answer(
                200,
                {
                    key: [
                        {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": oid}
                        for ref, oid in repository.refs.items()
                        if ref.startswith(prefix)
                    ]
                    for key, prefix in kinds.items()
                },
            )
        if action in ("tree", "paths-info"):
            oid, folder = self._split_revision(repository, argument)
            return self._listing(repository.commits[oid], folder.strip("/"), action, json_body)
        if action in ("", "revision"):
            oid, _ = self._split_revision(repository, argument or "main")
            names = [{"rfilename": name} for name in sorted(repository.commits[oid])]
            info = {"id": repo_id, "modelId": repo_id, "sha": oid, "private": repository.private, "siblings": names}
            return Answer(200, {**info, "tags": [], "downloads": 0, "likes": 0, "lastModified": _DATE})
        return Answer(404, {"error": f"no such action {action}"})

    def _listing(self, files: dict[str, Blob], folder: str, action: str, json_body: Any) -> Answer:
        entries = {name: _entry(name, blob) for name, blob in files.items()}
        if action == "paths-info":
            asked = parse_qs(self.body.decode()) if not self.body.startswith(b"{") else json_body()
            return Answer(200, [entries[name] for name in asked.get("paths", []) if name in entries])
        prefix = f"{folder}/" if folder else ""
        inside = {name: entry for name, entry in entries.items() if name.startswith(prefix)}
        folders = {str(parent) for name in inside for parent in Path(name).parents if str(parent) not in (".", folder)}
        all_entries = [
            *inside.values(),
            *({"type": "directory", "path": one, "oid": "0" * 40, "size": 0} for one in folders),
        ]
        recursive = self.query.get("recursive", ["False"])[0].lower() in ("true", "1")
        found = [one for one in all_entries if recursive or "/" not in one["path"].removeprefix(prefix)]
        if folder and not inside:
            return Answer(404, {"error": f"{folder} does not exist"}, "EntryNotFound")
        return Answer(200, sorted(found, key=lambda one: one["path"]))

    # ---- Reading ----

    def _file(self, repository: Repository, oid: str, name: str) -> Answer:
        if repository.gated:
            return Answer(403, {"error": "Access to this repository is restricted"}, "GatedRepo")
        blob = repository.commits[oid].get(name)
        if blob is None:
            return Answer(404, {"error": "Entry not found"}, "EntryNotFound", {"X-Repo-Commit": oid})
        headers = {"X-Repo-Commit": oid, "ETag": f'"{blob.oid}"', "Accept-Ranges": "bytes"}
        if blob.large:
            headers |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(len(blob.content))}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            return Answer(200, blob.content, headers=headers)
        start, size = int(asked[1]), len(blob.content)
        stop = min(int(asked[2] or size - 1), size - 1)
        if start >= size:
            return Answer(416, headers={"Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {start}-{stop}/{size}"
        return Answer(206, blob.content[start : stop + 1], headers=headers)


def _entry(name: str, blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(blob.content), "oid": blob.oid}
    if blob.large:
        entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
    return entry


def _listed(code: Any) -> bool:
    """Whether the Hub takes a code: two or three letters that ISO 639 holds today."""
    if not isinstance(code, str) or not re.fullmatch(r"[a-z]{2,3}", code):
        return False
    key = "alpha_2" if len(code) == 2 else "alpha_3"
    return pycountry.languages.get(**{key: code}) is not None
