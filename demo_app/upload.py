"""Reading the two forms in which a file can come: part of a form, or the whole body."""

from collections.abc import AsyncIterator

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException as AnyHTTPException

from demo_app.service.uploads import Uploaded, digest

CHUNK = 1024 * 1024


async def receive(request: Request) -> Uploaded:
    """Return what is to say about the file in the request.

    Raises:
        HTTPException: 400 for a malformed form, 415 for another type of body.
        RequestValidationError: the form has no file named "file".
    """
    media, options = parse_options_header(request.headers.get("content-type"))
    if media == b"application/octet-stream":
        return await digest(request.stream(), content_type="application/octet-stream")
    if media != b"multipart/form-data":
        raise HTTPException(415, "expected multipart/form-data or application/octet-stream")
    if not options.get(b"boundary"):
        raise HTTPException(400, "malformed multipart body")
    return await _receive_form(request)


async def _receive_form(request: Request) -> Uploaded:
    try:
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise RequestValidationError(
                    [{"type": "missing", "loc": ("body", "file"), "msg": "Field required", "input": None}]
                )
            return await digest(_chunks(file), file.filename, file.content_type)
    except AnyHTTPException as error:
        raise HTTPException(400, "malformed multipart body") from error


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(CHUNK):
        yield chunk
