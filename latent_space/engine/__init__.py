"""Run a code-loader integration over its data: from an entry file to the files of a run folder."""
