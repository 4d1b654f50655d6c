"""The one decorator of CPU kernels: compiled once, cached on disk, never stopped by a bad cache.

Numba's own ``cache=True`` has three habits that this module mends:

* it keys a kernel by its own file only, so an edited helper in another file gives the old result.
  Here the key is a hash of the kernel's whole family folder and of the shared files in ``kernels/``;
* a truncated cache file or a full disk raises at every call. Here such a cache counts as empty;
* where no directory can be written it raises at import. Here the kernel is compiled without a cache.

A kernel releases the GIL (``parallel.py`` runs it on several threads) and divides like NumPy: 1/0 is inf,
0/0 is nan. Its options are literals, because Numba's cache does not see where an option came from.
"""

import contextlib
import hashlib
import os
import shutil
import time
import warnings
from functools import cache
from pathlib import Path

from numba import config, njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

#: Lets LLVM reorder sums and fuse multiply-adds, and still keep NaN and infinity (full fastmath does not).
#: For inner products only.
REASSOCIATE = frozenset({"reassoc", "contract", "nsz", "arcp"})

#: Age at which the compiled code of sources that have since changed is deleted.
STALE_AFTER_DAYS = 14

_SOURCE_ROOT = Path(__file__).resolve().parent


def kernel(function=None, *, fastmath=frozenset()):
    """Compile a function of scalars and arrays for the CPU.

    Parameters
    ----------
    function : callable
        Loops only: writes into the arrays that it is given, allocates and validates nothing.
    fastmath : frozenset of str, optional
        Empty, or `REASSOCIATE` for an inner product.

    Returns
    -------
    numba dispatcher
        Compiles at the first call for each dtype, or loads what an earlier process compiled.
    """
    if function is None:
        return lambda decorated: kernel(decorated, fastmath=fastmath)
    dispatcher = njit(nogil=True, error_model="numpy", fastmath=set(fastmath) or False)(function)
    try:
        dispatcher._cache = _GracefulCache(function)
    except (OSError, RuntimeError, AttributeError) as error:
        _warn_once(f"kernels: compiled code is not cached ({type(error).__name__}: {error})")
    return dispatcher


def cache_directory(source_file):
    """Where the compiled kernels of one source file are kept: a directory whose name changes with their sources.

    ``NUMBA_CACHE_DIR`` decides where it is set; otherwise ``__pycache__`` beside the sources, or the user's own
    cache directory where that cannot be written. Cache files are pickles: never point this at a shared place.
    """
    family = Path(source_file).resolve().parent
    variant = f"{family.name}-{source_hash(source_file)[:16]}" + ("-boundscheck" if config.BOUNDSCHECK else "")
    for root in _cache_roots():
        directory = root / f"mediml-{variant}"
        if _is_writable(directory):
            _remove_stale(root, f"mediml-{family.name}-*")
            return directory
    raise OSError("no directory for compiled kernels can be written; set NUMBA_CACHE_DIR to one that can")


@cache
def source_hash(source_file):
    """Hash of all that a kernel in `source_file` may call: its folder's files and the shared files in ``kernels/``.

    A family never imports another family (an architecture test sees to it), so nothing else can change its code.
    """
    folder = Path(source_file).resolve().parent
    beside = folder.glob("*.py") if _SOURCE_ROOT in folder.parents else [Path(source_file).resolve()]
    digest = hashlib.sha256()
    for path in sorted({*beside, *_SOURCE_ROOT.glob("*.py")}):
        digest.update(f"{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _cache_roots():
    if config.CACHE_DIR:
        return [Path(config.CACHE_DIR)]
    user_cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return [_SOURCE_ROOT / "__pycache__", Path(user_cache) / "mediml"]


@cache
def _is_writable(directory):
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


@cache
def _remove_stale(root, pattern):
    """Drop what older sources left behind; a process that still uses it compiles anew."""
    for directory in root.glob(pattern):
        try:
            if time.time() - directory.stat().st_mtime > STALE_AFTER_DAYS * 86400:
                shutil.rmtree(directory, ignore_errors=True)
        except OSError:
            continue


@cache
def _warn_once(message):
    warnings.warn(message, RuntimeWarning, stacklevel=3)


class _KernelLocator(_CacheLocator):
    """Tells Numba's cache where a kernel is kept, and by what to know that it is fresh."""

    def __init__(self, function, source_file):
        self._function = function
        self._source_file = source_file

    def get_cache_path(self):
        return str(cache_directory(self._source_file))

    def get_source_stamp(self):
        return source_hash(self._source_file)

    def get_disambiguator(self):
        where = hashlib.sha256(os.path.abspath(self._source_file).encode()).hexdigest()[:12]
        return f"{self._function.__code__.co_firstlineno}-{where}"

    @classmethod
    def from_function(cls, function, source_file):
        return cls(function, source_file) if os.path.exists(source_file) else None


class _KernelCacheImpl(CompileResultCacheImpl):
    _locator_classes = (_KernelLocator,)


class _GracefulCache(FunctionCache):
    _impl_class = _KernelCacheImpl

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # a pickle of unknown content may raise anything
            self._give_up("read", error)
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception as error:
            self._give_up("written", error)

    def _give_up(self, verb, error):
        self.disable()
        with contextlib.suppress(OSError):
            self.flush()
        _warn_once(
            f"kernels: the cache of compiled code could not be {verb} ({type(error).__name__}: {error}); "
            f"kernels are compiled anew"
        )
