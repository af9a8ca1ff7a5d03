"""Installs package `exp` with its data, the command `notebook2script` and its word to JupyterLab. On an index `exp` is another project's name."""
from pathlib import Path
from setuptools import setup

FASTAI = ['fastcore', 'fastdownload', 'fasttransform', 'plum-dispatch', 'pandas', 'scikit-learn', 'scipy', 'cloudpickle']
NOTEBOOKS = ['nbformat', 'nbclient', 'nbconvert', 'ipykernel', 'latex2mathml', 'beautifulsoup4', 'jinja2']
DATA = {f'exp.data.{name}': f'data/{name}' for name in ('mnist', 'fashion-mnist', 'emoji', 'shakespeare', 'names')}

setup(
    name='exp-lessons',
    version='0.1',
    description='Deep learning from its foundations: lessons as notebooks, and the library that they grow',
    long_description=(Path(__file__).parent/'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='The exp authors',
    license='Apache-2.0',
    keywords='deep learning, education, notebooks, literate programming, autograd, training loop',
    classifiers=[
        'Development Status :: 4 - Beta', 'Framework :: Jupyter', 'Intended Audience :: Education', 'Intended Audience :: Developers',
        'Programming Language :: Python :: 3.11', 'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13', 'Programming Language :: Python :: 3.14',
        'Topic :: Scientific/Engineering :: Artificial Intelligence', 'Topic :: Education',
    ],
    python_requires='>=3.11',
    packages=['exp', *DATA],
    package_dir={'exp': 'exp', **DATA},
    package_data={name: ['*.gz', '*.xz', '*.md', 'LICENSE'] for name in DATA},
    data_files=[('share/jupyter/labextensions/notebook2script', [f'labextensions/notebook2script/{name}' for name in ('package.json', 'remoteEntry.js')])],
    py_modules=['notebook2script', 'notebook2script_jupyter'],
    entry_points={
        'console_scripts': ['notebook2script = notebook2script:main'],
        'nbconvert.exporters': ['exp = notebook2script_jupyter:ExpExporter'],
    },
    install_requires=['torch>=2.4', 'numpy', 'matplotlib', 'fastprogress>=1.0.3,<1.1', 'pooch>=1.8', 'networkx', 'pillow>=11'],
    extras_require={
        'lab': ['jupyterlab', *NOTEBOOKS],
        'test': ['pytest', 'pytest-xdist', 'hypothesis', 'jupyterlab', 'playwright', 'tiktoken', 'tokenizers', 'torchmetrics', 'transformers', *NOTEBOOKS],
        'bench': ['accelerate', 'nbdev', 'jupytext', 'lightning', 'rustbpe', 'skorch', 'tiktoken', 'tokenizers', 'transformers', *FASTAI, *NOTEBOOKS],
    },
)
