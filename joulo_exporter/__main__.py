"""``python -m joulo_exporter`` is ``joulo-exporter``."""

import sys

from joulo_exporter.cli import main

if __name__ == "__main__":
    sys.exit(main())
