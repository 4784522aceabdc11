"""The names under which an integration test feeds its model, which code-loader does not keep.

**Conventions**: code-loader wires inputs in the order in which the test names them, and refuses names in another order
than the model's where it runs the test itself. Names are known only for models that are called by ``run(None, {...})``.
"""

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any


def record_feeds(decorators: Any) -> list[str]:
    """Have models note the names they are fed with while the graph is read.

    Parameters
    ----------
    decorators : module
        code-loader's, before the integration imports from it.

    Returns
    -------
    list of str
        Empty; filled with the names by the model's `run`.
    """
    from code_loader.inner_leap_binder.leapbinder import mapping_runtime_mode_env_var_mame

    names: list[str] = []
    original = decorators.tensorleap_load_model

    @functools.wraps(original)
    def tensorleap_load_model(*args: Any, **options: Any) -> Callable[[Any], Any]:
        decorate = original(*args, **options)

        def decorating_function(function: Any) -> Any:
            load = decorate(function)

            @functools.wraps(load)
            def loading(*load_args: Any, **load_options: Any) -> Any:
                model = load(*load_args, **load_options)
                if os.environ.get(mapping_runtime_mode_env_var_mame):
                    model.run = _noting(model.run, names)
                return model

            return loading

        return decorating_function

    decorators.tensorleap_load_model = tensorleap_load_model
    return names


def _noting(run: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    def noting(output_names: Any, feeds: Any) -> Any:
        if isinstance(feeds, Mapping):
            names[:] = [key for key in feeds if isinstance(key, str)]
        return run(output_names, feeds)

    return noting
