"""Connections to members: the files of a client, mutual TLS, and messages by reflection."""

import base64
import tomllib
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from certificates import Chain, Root, transport_name
from formats import Overlay
from members import Identity
from wire import Refused, require

MESSAGE_BYTES_MAX = 16_777_216
CALL_SECONDS = 20
CONNECT_SECONDS = 5
OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
]
PACKAGE = "kittengrad.v1"


class Credentials:
    """The files key.pem, chain.pem and root.pem of a folder."""

    def __init__(self, folder):
        self.key_pem, self.chain_pem, self.root_pem = (
            (folder / name).read_bytes() for name in ("key.pem", "chain.pem", "root.pem")
        )
        self.private = load_pem_private_key(self.key_pem, None)
        self.key = self.private.public_key().public_bytes_raw()
        self.chain = Chain(ders(self.chain_pem))


def ders(pem):
    return [certificate.public_bytes(Encoding.DER) for certificate in x509.load_pem_x509_certificates(pem)]


class Network:
    """A client's configuration and network file, with verified members."""

    def __init__(self, folder):
        config = tomllib.loads((folder / "client.toml").read_text())
        file = tomllib.loads((folder / config["network"]).read_text())
        self.credentials = Credentials(folder / config["credentials"])
        publishers = [folder / publisher["credentials"] for publisher in config.get("publisher", [])]
        self.publisher = Credentials(publishers[0]) if publishers else self.credentials
        self.root = Root(ders(file["root"].encode())[0])
        self.overlay = Overlay(self.root.network, file["namespace"])
        self.replicas = file["replicas"]
        signed = (base64.urlsafe_b64decode(pad(member["identity"])) for member in file["member"])
        self.members = [Identity(data, self.overlay, self.root) for data in signed]

    def of_role(self, role):
        return [member for member in self.members if member.role == role]


def pad(text):
    return text + "=" * (-len(text) % 4)


class Failed(Exception):
    """A failed call, with the code of our ErrorInfo."""

    def __init__(self, method, error, status, reason, hint):
        self.method, self.reason, self.hint = method, reason, hint
        self.code, self.status = error.code().name, status
        super().__init__(f"{method}: {self.code} {reason or ''}: {error.details()}; {hint}")


class Member:
    """A connection to one member."""

    def __init__(self, identity, credentials):
        self.identity = identity
        name = transport_name(identity.key, identity.role)
        tls = grpc.ssl_channel_credentials(credentials.root_pem, credentials.key_pem, credentials.chain_pem)
        options = [*OPTIONS, ("grpc.ssl_target_name_override", name)]
        self.channel = grpc.secure_channel(identity.grpc, tls, options)
        try:
            grpc.channel_ready_future(self.channel).result(timeout=CONNECT_SECONDS)
        except grpc.FutureTimeoutError:
            self.channel.close()
            raise Refused(f"{identity.grpc} does not answer as {name} within {CONNECT_SECONDS} s") from None
        self.reflection = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = DescriptorPool(self.reflection)

    def services(self):
        return sorted(self.reflection.get_services())

    def type(self, name):
        """The class of a message, such as `LookupRequest`."""
        full = name if "." in name else f"{PACKAGE}.{name}"
        return GetMessageClass(self.pool.FindMessageTypeByName(full))

    def call(self, method, **fields):
        """Calls a method, such as `Store.Lookup`, and returns its answer, or its frames."""
        service, name = method.rsplit(".", 1)
        service = service if "." in service else f"{PACKAGE}.{service}"
        found = self.pool.FindServiceByName(service).FindMethodByName(name)
        request, answer = GetMessageClass(found.input_type), GetMessageClass(found.output_type)
        path = f"/{service}/{name}"
        stub = self.channel.unary_stream if found.server_streaming else self.channel.unary_unary
        stub = stub(path, request.SerializeToString, answer.FromString)
        try:
            made = stub(request(**fields), timeout=CALL_SECONDS)
            return self._frames(method, made) if found.server_streaming else made
        except grpc.RpcError as error:
            raise self.failed(method, error) from None

    def _frames(self, method, frames):
        try:
            yield from frames
        except grpc.RpcError as error:
            raise self.failed(method, error) from None
        finally:
            frames.cancel()

    def failed(self, method, error):
        """Reads the google.rpc.Status of a failed call."""
        trailers = dict(error.trailing_metadata() or ())
        data = trailers.get("grpc-status-details-bin")
        if data is None:
            return Failed(method, error, None, None, "no details")
        status = self.type("google.rpc.Status").FromString(data)
        reason, hint = None, ""
        for detail in status.details:
            name = detail.type_url.rsplit("/", 1)[-1]
            if name == "google.rpc.ErrorInfo":
                info = self.type(name).FromString(detail.value)
                require(info.domain == "kittengrad", f"{method}: an error of the domain {info.domain}")
                reason = info.reason
            if name == f"{PACKAGE}.ErrorDetail":
                hint = self.type(name).FromString(detail.value).hint
        require(reason is not None, f"{method}: an error without ErrorInfo")
        return Failed(method, error, status, reason, hint)

    def close(self):
        self.channel.close()


def open_folder(path):
    """The network of a folder, or a sentence that says what is wrong."""
    folder = Path(path)
    try:
        return Network(folder)
    except (OSError, KeyError, ValueError) as error:
        raise Refused(f"{folder} is not the folder of a network: {error}; `kittengrad demo --dir` writes one") from None
