"""The endpoints that have a twin in Go: HTTP here, the work in service/."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse

from demo_app import upload
from demo_app.models import BatchIn, CalculationIn
from demo_app.service import catalogue, search, streams
from demo_app.service.orders import Processed, UnknownTarget, normalise_batch
from demo_app.service.search import Found
from demo_app.service.statistics import OutOfRange, Statistics, describe
from demo_app.service.uploads import Uploaded

router = APIRouter(tags=["twins"])

SHARDS = catalogue.load()


@router.post("/process-data")
def process_data(batch: BatchIn) -> Processed:
    """Normalise a batch of orders; a bad order is left out and listed."""
    try:
        return normalise_batch(batch.orders, batch.target)
    except UnknownTarget as error:
        raise HTTPException(400, str(error)) from error


@router.get("/search")
async def find(
    q: Annotated[str, Query(min_length=1, max_length=200)],
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Found:
    """Search the catalogue, the best hits first."""
    return await search.search(SHARDS, q, limit)


@router.post("/calculate")
def calculate(calculation: CalculationIn) -> Statistics:
    """Return sum, average and population variance."""
    try:
        return describe(calculation.values)
    except OutOfRange as error:
        raise HTTPException(400, str(error)) from error


@router.get("/events")
async def events(
    n: Annotated[int, Query(ge=1, le=100_000)] = 10,
    interval_ms: Annotated[int, Query(ge=0, le=60_000)] = 100,
) -> StreamingResponse:
    """Stream server-sent events."""
    body = streams.events(n, interval_ms / 1000)
    return StreamingResponse(body, media_type="text/event-stream", headers={"cache-control": "no-store"})


@router.post("/upload")
async def receive_upload(request: Request) -> Uploaded:
    """Take a file, as a form or as the whole body, and return its digest."""
    return await upload.receive(request)


@router.get("/download")
async def download(size: Annotated[int, Query(ge=0, le=16 << 30)] = 1 << 20) -> StreamingResponse:
    """Send `size` bytes of a fixed pattern."""
    headers = {"content-length": str(size), "content-disposition": 'attachment; filename="download.bin"'}
    return StreamingResponse(streams.blocks(size), media_type="application/octet-stream", headers=headers)
