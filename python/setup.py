"""What pyproject.toml cannot say: the version, from where the programs have theirs; and where `make wheel` has put the
programs and models into the package, that the wheel is of one platform and has scripts that run them."""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

PROGRAMS = ["pixelcnnd", "pixelcnn", "pixelcnn-train"]
has_programs = Path("pixelcnnd/bin").is_dir()


class PlatformWheel(bdist_wheel):
    """A wheel for any Python of one platform, where it has programs."""

    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = not has_programs

    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform


setup(
    version=runpy.run_path("pixelcnnd/_version.py")["version"](),
    scripts=[f"scripts/{name}" for name in PROGRAMS] if has_programs else [],
    package_data={"pixelcnnd": ["bin/*", "share/pixelcnn/*", "notices/*"]} if has_programs else {},
    cmdclass={"bdist_wheel": PlatformWheel})
