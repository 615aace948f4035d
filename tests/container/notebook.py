"""Runs a notebook in a registered kernel, as people do: through nbclient, by the kernel's name. Prints what the cell printed."""

import sys

import nbformat
from nbclient import NotebookClient

cells = [nbformat.v4.new_code_cell("import sys\nprint(sys.prefix, 6 * 7)")]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, kernel_name=sys.argv[1], timeout=120, startup_timeout=120).execute()
print(notebook.cells[0].outputs[0].text.strip())
