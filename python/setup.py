"""What pyproject.toml cannot say: the version, from where the programs have theirs; and where `make wheel` has put the
programs and models into the package, that the wheel is of one platform and has scripts that run them."""

import runpy
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

PROGRAMS = ["pixelcnnd", "pixelcnn", "pixelcnn-train"]
has_programs = Path("pixelcnnd/bin").is_dir()


class Programs(Distribution):
    """What is of one platform is installed in its folder."""

    def has_ext_modules(self):
        return has_programs


class AnyPython(bdist_wheel):
    """The programs do not care which Python it is."""

    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform


setup(
    version=runpy.run_path("pixelcnnd/_version.py")["version"](),
    scripts=[f"scripts/{name}" for name in PROGRAMS] if has_programs else [],
    distclass=Programs, cmdclass={"bdist_wheel": AnyPython})
