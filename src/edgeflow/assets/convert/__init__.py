"""Turn pulled files into models that the platform runs. Each needs the extra ``convert``."""
