"""Receipts: writers, and the verification with the root certificate alone."""

from certificates import Chain
from formats import Transaction, arc_body, is_in, is_included, leaf, read_arc, read_item, tree_path
from journals import Header
from wire import Fields, message, names, require


def proof_body(block, index, transaction=None):
    """The proof that item `index` is in a block of (signed header, items)."""
    header, items = block
    path = b"".join(tree_path(items, index))
    return message({1: header.encode(), 2: items[index], 3: index, 4: path, 5: transaction and transaction.encode()})


def header_head(block):
    """A signed head: the header of a block of (signed header, items)."""
    return message({1: block[0].encode()})


def two_heads_body(one, other):
    return message({1: 1, 2: message({1: one, 2: other})})


def refuted_item_body(item, hold):
    return message({1: 1, 3: message({1: item, 2: hold})})


def refuted_checkpoint_body(statement, earlier):
    return message({1: 1, 4: message({1: statement, 3: earlier})})


def confirmation_body(peer, chain, proofs):
    return message({1: peer, 2: chain.body, 3: proofs})


def receipt_body(transaction, quorum, cells, confirmations):
    cells = [message({1: arc_body(arc), 2: peers}) for arc, peers in cells]
    return message({1: 1, 2: transaction.encode(), 3: quorum, 4: cells, 5: confirmations})


def verify_receipt(data, overlay, root):
    """Verifies a receipt with the root certificate alone. Returns transaction, peers by element, cells and quorum."""
    require(len(data) <= 16_777_216, f"a receipt of {len(data)} bytes")
    fields = Fields(data, "receipt")
    require(fields.number(1) == 1, f"receipt has version {fields.number(1)}")
    transaction = Transaction.read(fields.message(2), overlay)
    transaction.verify()
    quorum = fields.number(3)
    require(quorum > 0, "a receipt claims no peers")
    cells = []
    for cell in (Fields(data, "cell") for data in fields.list(4)):
        cells.append((read_arc(cell.bytes(1)), cell.list(2)))
    confirmations = [Fields(data, "confirmation") for data in fields.list(5)]
    require(len(cells) <= 1_000 and len(confirmations) <= 10_000, "a receipt has too many parts")
    proved = {}
    for confirmation in confirmations:
        for element in verify_confirmation(confirmation, transaction, overlay, root):
            proved.setdefault(element, set()).add(confirmation.name(1))
    for element in transaction.elements:
        peers = proved.get(element, set())
        require(len(peers) >= quorum, f"{len(peers)} peers prove an element; the receipt claims {quorum}")
        around = [named for arc, named in cells if is_in(element[0], arc)]
        require(len(around) == 1, f"an element lies in {len(around)} cells")
        require(all(peer in peers for peer in around[0]), "a peer named for a cell does not prove an element of it")
    return transaction, proved, cells, quorum


def verify_confirmation(confirmation, transaction, overlay, root):
    """The elements that one peer proves."""
    peer = confirmation.name(1)
    holder = Chain.read(confirmation.bytes(2)).verify(root)
    require((holder.key, holder.role) == (peer, "peer"), "a confirmation has certificates of another")
    proofs = [Fields(data, "proof") for data in confirmation.list(3)]
    require(len(proofs) <= 1_000, "a confirmation has too many proofs")
    for proof in proofs:
        header = Header.read(proof.message(1), overlay)
        require(header.peer == peer, "a proof has a block of another peer")
        header.verify()
        holder.check_at(header.time_ms)
        item, path = proof.bytes(2), names(proof.bytes(4))
        require(len(path) <= 14, f"a path of {len(path)} hashes")
        is_there = is_included(header.items_root, leaf(item), proof.number(3), header.item_count, path)
        require(is_there, "an item is not proved to be in its block")
        kind, content = read_item(item)
        require(kind == "transaction", "a proof has an item of another kind")
        named = transaction
        if proof.has(5):
            named = Transaction.read(proof.message(5), overlay)
            named.verify()
        require(named.id == content[0], "an item names another transaction")
        yield from named.added(content[1])
