"""The application: routes, errors and documentation put together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from poolwright.store.engine import Store
from starter.endpoint import check_in, component_log, health, pool_routes, session_routes
from starter.endpoint.collaborators import EndpointSignals
from starter.endpoint.errors import install_error_handlers
from starter.endpoint.incidents import Incidents
from starter.sessions import SessionService

_DESCRIPTION = (
    "Startup scripts report how far their VMs are (check-in); brokers and portals request sessions. "
    'Every error is answered with `{"error": "a sentence"}`.'
)


def create_app(store: Store, signals: EndpointSignals, *, stopping: Callable[[], bool] = lambda: False) -> FastAPI:
    """The endpoint over this store and these signals. The tables must exist.

    Long polls end early once `stopping` says true.
    """
    sessions = SessionService(store, signals, stopping=stopping)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await sessions.finish()

    # The documentation page brings its own scripts: machines without internet have it too.
    app = FastAPIOffline(
        redoc_url=None,
        title="Poolwright",
        version=version("poolwright"),
        description=_DESCRIPTION,
        swagger_ui_parameters={"validatorUrl": None},
        lifespan=lifespan,
    )
    app.state.store, app.state.signals, app.state.sessions = store, signals, sessions
    for module in (check_in, component_log, session_routes, pool_routes, health):
        app.include_router(module.router)
    install_error_handlers(app)
    app.add_middleware(Incidents)
    return app
