"""Where things are that tests look at."""

from pathlib import Path

#: helpers of the tests
SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parents[1]
REFERENCE = ROOT / "reference"
#: beside the repository; tests skip where it is absent
SHARED = ROOT.parent / "shared"
#: 500 labelled images
SAMPLE = SHARED / "imagenet-sample"
