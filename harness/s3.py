"""The S3 client of the harness: boto3 behind a few typed calls, each with a bound on its time.

Retries are few and evenly bounded (botocore's ``standard`` mode, never ``adaptive``, which would
slow the reader down by itself), proxies of the environment are not used, and every failure
is an ``ObjectError`` that carries the server's own code. A client serves many threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from harness.errors import BadInput, StackError

T = TypeVar("T")

_CONNECT_S = 2.0
_ATTEMPTS = 3
_CREDENTIALS = frozenset({"SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied", "403", "Forbidden"})
_NO_BUCKET = frozenset({"NoSuchBucket", "404"})
_NOTHING = frozenset({"NoSuchKey", "404"})


class ObjectError(StackError):
    """A call to the object store failed; ``code`` is S3's own word, or "" when there was no answer."""

    def __init__(self, what: str, *, why: str = "", fix: str = "", code: str = "") -> None:
        super().__init__(what, why=why, fix=fix)
        self.code = code


@dataclass(frozen=True, slots=True)
class Access:
    """Where an object store is and who asks."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as a listing names it."""

    name: str
    bytes: int


class _Body(Protocol):
    def read(self) -> bytes: ...


class _Page(Protocol):
    def paginate(self, **wanted: str) -> Iterator[Mapping[str, list[Mapping[str, object]]]]: ...


class _Boto(Protocol):
    """The calls of boto3's S3 client that are used here."""

    def create_bucket(self, **wanted: object) -> object: ...
    def head_bucket(self, **wanted: object) -> object: ...
    def list_objects_v2(self, **wanted: object) -> object: ...
    def put_object(self, **wanted: object) -> object: ...
    def get_object(self, **wanted: object) -> Mapping[str, object]: ...
    def delete_object(self, **wanted: object) -> object: ...
    def get_paginator(self, name: str) -> _Page: ...


class S3Client:
    """A client of one object store; see ``connect``."""

    def __init__(self, boto: object) -> None:
        self._boto = cast(_Boto, boto)

    def make_bucket(self, bucket: str) -> None:
        """Make *bucket*; one that is there already is as good."""
        try:
            _asked(lambda: self._boto.create_bucket(Bucket=bucket), f"bucket {bucket} could not be made")
        except ObjectError as error:
            if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise

    def list_one(self, bucket: str) -> None:
        """Ask for the first object of *bucket*: the cheapest call that needs both it and the credentials."""
        _asked(
            lambda: self._boto.list_objects_v2(Bucket=bucket, MaxKeys=1), f"bucket {bucket} cannot be listed"
        )

    def put(self, bucket: str, name: str, body: bytes) -> None:
        """Store an object."""
        _asked(
            lambda: self._boto.put_object(Bucket=bucket, Key=name, Body=body),
            f"{bucket}/{name} cannot be written",
        )

    def get(self, bucket: str, name: str) -> bytes:
        """The whole body of an object; one cut short is an error."""

        def read() -> bytes:
            return cast(_Body, self._boto.get_object(Bucket=bucket, Key=name)["Body"]).read()

        return _asked(read, f"{bucket}/{name} cannot be read")

    def delete(self, bucket: str, name: str) -> None:
        """Delete an object; one that is not there is as good."""
        _asked(
            lambda: self._boto.delete_object(Bucket=bucket, Key=name), f"{bucket}/{name} cannot be deleted"
        )

    def objects(self, bucket: str, prefix: str = "") -> list[Listed]:
        """Every object whose name begins with *prefix*, by name; uploads in progress are none."""
        found = self._pages("list_objects_v2", "Contents", bucket, prefix)
        return [Listed(str(each["Key"]), int(cast(int, each["Size"]))) for each in found]

    def uploads(self, bucket: str, prefix: str = "") -> list[str]:
        """The names of multipart uploads that are neither completed nor aborted."""
        found = self._pages("list_multipart_uploads", "Uploads", bucket, prefix)
        return [str(each["Key"]) for each in found]

    def _pages(self, call: str, part: str, bucket: str, prefix: str) -> list[Mapping[str, object]]:
        pages = self._boto.get_paginator(call)

        def read() -> list[Mapping[str, object]]:
            told = pages.paginate(Bucket=bucket, Prefix=prefix)
            return [each for page in told for each in page.get(part, [])]

        return _asked(read, f"bucket {bucket} cannot be listed")


def connect(access: Access, *, read_seconds: float = 10.0, attempts: int = _ATTEMPTS) -> S3Client:
    """A client; nothing is sent yet. A call takes at most *attempts* × (2 s + *read_seconds*) of silence."""
    import boto3  # noqa: PLC0415 - a third of a second that a run without an object store is spared
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        proxies={},
        max_pool_connections=16,
        # Checksums that newer clients add by themselves are more than many S3 servers know.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )
    boto = boto3.session.Session().client(
        "s3",
        endpoint_url=access.endpoint,
        aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key,
        region_name=access.region,
        config=config,
    )
    return S3Client(boto)


def check_access(client: S3Client, bucket: str) -> None:
    """Return when *bucket* is there and the credentials are good.

    Raises:
        BadInput: there is no such bucket, or the credentials are refused.
        ObjectError: the object store does not answer.
    """
    try:
        client.list_one(bucket)
    except ObjectError as error:
        if error.code in _NO_BUCKET:
            raise BadInput(
                f"there is no bucket {bucket!r} in the object store",
                fix="name one of objects.buckets, or add it there",
            ) from error
        if error.code in _CREDENTIALS:
            raise BadInput(
                f"the object store refuses the credentials for bucket {bucket!r}",
                why=error.why,
                fix="check objects.access_key and objects.secret_key",
            ) from error
        raise


def is_missing(error: ObjectError) -> bool:
    """Whether the object was not there."""
    return error.code in _NOTHING


def _asked(call: Callable[[], T], what: str) -> T:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - what a torn body raises as it is read

    try:
        return call()
    except ClientError as error:
        told = error.response.get("Error", {})
        raise ObjectError(
            what, why=f"{told.get('Code')}: {told.get('Message')}", code=str(told.get("Code"))
        ) from error
    except (BotoCoreError, HTTPClientError, HTTPError, OSError) as error:
        raise ObjectError(what, why=str(error), fix="see the object store's log") from error
