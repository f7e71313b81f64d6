"""JupyterLab to open notebooks in: a server of its own for a directory of copies, and a browser that looks at it.

Settings, signatures of trusted notebooks and connections are kept in a temporary directory: the server knows nothing
of its user's own JupyterLab, and leaves nothing there. It needs `jupyter-lab` on the PATH (`pip install jupyterlab`),
and what `tests.show.browser` needs. The kernel is the Python that runs this, and finds these sources.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nbformat import NotebookNode, read, sign, write

from tests.show import browser as browsers
from tests.show.browser import Browser

SOURCES = Path(__file__).parent.parent.parent
WAIT = 60  # seconds for the server to start, and for a notebook to be there
RUN = 180  # seconds for all cells of a notebook

_KERNEL = "this-python"  # the one that runs this, whichever has JupyterLab
_SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # all cells are in the page, those far below, too
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
}


def missing() -> str | None:
    """The missing requirement, None if JupyterLab can be started and looked at."""
    if shutil.which("jupyter-lab") is None:
        return "needs JupyterLab: pip install jupyterlab"
    return browsers.missing()


@dataclass
class Lab:
    """A server that runs: `directory` has the notebooks, `address` is that of the page, `signatures` who is trusted."""

    directory: Path
    address: str
    signatures: Path

    def copy(self, notebook: Path, name: str, trusted: bool) -> str:
        """Put a notebook into the directory under a name; sign it, so that its outputs are shown as they are."""
        return self.put(read(notebook, as_version=4), name, trusted)

    def put(self, notebook: NotebookNode, name: str, trusted: bool) -> str:
        notebook.metadata["kernelspec"] = {"name": _KERNEL, "display_name": _KERNEL}
        notebook.metadata["name"] = name  # it is the content that is signed: another copy shall not be trusted, too
        write(notebook, self.directory / name)
        if trusted:
            sign.NotebookNotary(data_dir=str(self.signatures)).sign(read(self.directory / name, as_version=4))
        return name


@contextmanager
def started() -> Iterator[Lab]:
    """Start a server on a free port, and end it and its kernels afterwards."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        root = Path(name)
        environment = os.environ | {f"JUPYTER_{kind}_DIR": str(root / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
        environment |= {f"JUPYTERLAB_{kind}_DIR": str(root / kind) for kind in ("SETTINGS", "WORKSPACES")}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(SOURCES), os.environ.get("PYTHONPATH"))))
        for plugin, settings in _SETTINGS.items():
            file = root / "SETTINGS" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(settings))
        kernel = root / "DATA" / "kernels" / _KERNEL
        kernel.mkdir(parents=True)
        start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (kernel / "kernel.json").write_text(json.dumps({"argv": start, "display_name": _KERNEL, "language": "python"}))
        (root / "notebooks").mkdir()
        command = f"""
            jupyter-lab --no-browser --ip=127.0.0.1 --port=0 --allow-root --expose-app-in-browser
            --IdentityProvider.token= --ServerApp.root_dir={root / "notebooks"}
        """.split()
        with (root / "log").open("w") as log:
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=root)
        try:
            address = _address(server, root)
            yield Lab(root / "notebooks", address, root / "DATA")
        finally:
            server.terminate()  # it ends its kernels
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def _address(server: subprocess.Popen[bytes], root: Path) -> str:
    file = root / "RUNTIME" / f"jpserver-{server.pid}.json"
    until = time.monotonic() + WAIT
    while time.monotonic() < until and server.poll() is None:
        if file.exists() and (text := file.read_text()):
            return str(json.loads(text)["url"])
        time.sleep(0.1)
    raise TimeoutError(f"JupyterLab did not start:\n{(root / 'log').read_text()[-2000:]}")


class Notebook:
    """A notebook that is open in the browser: its cells are numbered from 0, as in its file."""

    def __init__(self, browser: Browser, lab: Lab, name: str, width: int = 1300, dark: bool = False) -> None:
        self.browser = browser
        browser.window(width, 1600)
        browser.driver.get(f"{lab.address}lab/tree/{name}?reset")
        browser.driver.set_script_timeout(RUN)
        self._when(f"{_PANEL} return panel && panel.context.isReady && panel.content.widgets.length > 0")
        if dark:
            self._command("apputils:change-theme", {"theme": "JupyterLab Dark"})
            self._when("return document.body.dataset.jpThemeLight === 'false'")

    def _when(self, script: str, seconds: float = WAIT) -> Any:
        until = time.monotonic() + seconds
        while not (found := self.browser.run(script)):
            if time.monotonic() > until:
                raise TimeoutError(script)
            time.sleep(0.1)
        return found

    def _command(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        script = """
            const [name, options, done] = arguments;
            jupyterapp.commands.execute(name, options ?? {}).then(() => done("done"), e => done(String(e)));
        """
        assert self.browser.driver.execute_async_script(script, name, arguments) == "done"

    def trusted(self) -> bool:
        """Whether JupyterLab shows the stored outputs as they are."""
        trusted: bool = self.browser.run(
            f"{_PANEL} return panel.content.widgets.every(c => c.model.type !== 'code' || c.model.trusted)"
        )
        return trusted

    def run_all(self) -> None:
        """Run all cells in a kernel, and wait until it is idle."""
        self._when(f"{_PANEL} return panel.sessionContext.session?.kernel?.status === 'idle'")
        self._command("notebook:run-all-cells")
        self._when(f"{_PANEL} return panel.sessionContext.session?.kernel?.status === 'idle'", RUN)

    def end_kernel(self) -> None:
        """End the kernel, so that nothing but the page can answer."""
        self._when(f"{_PANEL} return panel.sessionContext.session?.kernel?.status === 'idle'")
        script = f"""{_PANEL} const done = arguments[0];
            panel.sessionContext.shutdown().then(() => done("done"), e => done(String(e)));"""
        assert self.browser.driver.execute_async_script(script) == "done"

    def outputs(self) -> list[dict[str, Any]]:
        """Each output: `cell`, `kind` (MIME type), `text`, `pictures`; `beyond`: how many pixels it is too wide."""
        found: list[dict[str, Any]] = self.browser.run(_OUTPUTS)
        return found

    def element(self, cell: int, selector: str) -> Any:
        """The first element of a cell's output that matches, scrolled to."""
        found = self.browser.run(
            f"""{_PANEL} const found = panel.content.widgets[arguments[0]].outputArea.node.querySelector(arguments[1]);
            found?.scrollIntoView({{block: "center", behavior: "instant"}});
            return found;""",
            cell,
            selector,
        )
        assert found is not None, f"cell {cell} shows no {selector}"
        return found


_PANEL = """
const shown = [...(globalThis.jupyterapp?.shell?.widgets("main") ?? [])];
const panel = shown.find(widget => widget.context && widget.content?.widgets);
"""
_OUTPUTS = f"""{_PANEL}
return panel.content.widgets.flatMap((cell, number) => cell.model.type !== "code" ? [] :
    [...cell.outputArea.node.querySelectorAll(".jp-OutputArea-output")].map(output => {{
        const column = output.getBoundingClientRect();
        const pictures = [...output.querySelectorAll("img, svg, canvas")].filter(e => !e.parentElement.closest("svg"));
        const seen = pictures.map(e => ({{
            tag: e.tagName.toLowerCase(),
            width: e.getBoundingClientRect().width,
            height: e.getBoundingClientRect().height,
            loaded: e.tagName !== "IMG" || (e.complete && e.naturalWidth > 0),
            alt: e.getAttribute("alt") ?? e.getAttribute("aria-label") ?? e.querySelector?.("title")?.textContent ?? "",
            beyond: Math.max(0, e.getBoundingClientRect().right - column.right),
        }})).filter(e => e.width > 0);
        return {{
            cell: number, kind: output.dataset.mimeType ?? "", text: output.innerText, pictures: seen,
            beyond: output.scrollWidth - output.clientWidth,
        }};
    }})
);
"""
