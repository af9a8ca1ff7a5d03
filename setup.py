"""Installs package `exp` with its data, and the command `notebook2script`."""
from setuptools import setup

FASTAI = ['fastcore', 'fastdownload', 'fasttransform', 'plum-dispatch', 'pandas', 'scikit-learn', 'scipy', 'cloudpickle']
NOTEBOOKS = ['nbformat', 'nbclient', 'nbconvert', 'ipykernel', 'latex2mathml', 'pillow', 'beautifulsoup4', 'jinja2']
DATA = {f'exp.data.{name}': f'data/{name}' for name in ('mnist', 'fashion-mnist')}

setup(
    name='exp',
    version='0.1',
    description='Deep learning from its foundations: lessons as notebooks, and the library that they grow',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=['exp', *DATA],
    package_dir={'exp': 'exp', **DATA},
    package_data={name: ['*.gz', '*.md', 'LICENSE'] for name in DATA},
    py_modules=['notebook2script', 'notebook2script_jupyter'],
    entry_points={
        'console_scripts': ['notebook2script = notebook2script:main'],
        'nbconvert.exporters': ['exp = notebook2script_jupyter:ExpExporter'],
    },
    install_requires=['torch>=2.4', 'numpy', 'matplotlib', 'fastprogress>=1.0.3,<1.1', 'pooch>=1.8', 'networkx'],
    extras_require={
        'lab': ['jupyterlab', *NOTEBOOKS],
        'test': ['pytest', 'pytest-xdist', 'hypothesis', 'jupyterlab', 'playwright', 'torchmetrics', *NOTEBOOKS],
        'bench': ['nbdev', 'jupytext', 'lightning', 'skorch', *FASTAI, *NOTEBOOKS],
    },
)
