import pickle

import pytest
import torch

from armbench_segmentation.config import COCO_ANCHORS
from armbench_segmentation.training.checkpoints import Architecture, load_checkpoint, load_network, save_checkpoint

ARCHITECTURE = Architecture(("Object", "Tote"), "n", tuple(tuple(map(float, row)) for row in COCO_ANCHORS), 64)


def test_a_network_comes_back_as_it_was(tmp_path):
    network = ARCHITECTURE.build(seed=3)
    save_checkpoint(tmp_path / "best.pth", ARCHITECTURE, {"network": network.state_dict()})
    again, architecture = load_network(tmp_path / "best.pth")
    assert architecture == ARCHITECTURE
    assert not again.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert [file.name for file in tmp_path.iterdir()] == ["best.pth"]


def test_the_seed_decides_the_weights_and_torchs_own_state_stays():
    before = torch.get_rng_state()
    first, again, other = (ARCHITECTURE.build(seed=seed).heads[0].weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_holds_only_what_the_safe_loader_reads(tmp_path):
    save_checkpoint(tmp_path / "c.pth", ARCHITECTURE, {"history": [{"map50": None, "loss": 0.5}]})
    content = torch.load(tmp_path / "c.pth", weights_only=True)
    assert content["history"] == [{"map50": None, "loss": 0.5}]
    assert content["architecture"]["categories"] == ["Object", "Tote"]


class Unsafe:
    """What a hostile file would hold."""


@pytest.mark.parametrize("content", [Unsafe(), {"format": 99}, [1, 2]])
def test_refuses_files_of_something_else(tmp_path, content):
    torch.save(content, tmp_path / "c.pth")
    with pytest.raises(ValueError, match=r"c\.pth must be a checkpoint of this program"):
        load_checkpoint(tmp_path / "c.pth")


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps({"a": 1})])
def test_refuses_files_that_are_no_checkpoint(tmp_path, content):
    (tmp_path / "c.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"c\.pth must be a checkpoint of this program"):
        load_checkpoint(tmp_path / "c.pth")


def test_a_cut_file_is_refused(tmp_path):
    save_checkpoint(tmp_path / "c.pth", ARCHITECTURE, {"network": ARCHITECTURE.build().state_dict()})
    whole = (tmp_path / "c.pth").read_bytes()
    (tmp_path / "c.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"c\.pth must be a checkpoint of this program"):
        load_checkpoint(tmp_path / "c.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No checkpoint at .*last\.pth"):
        load_checkpoint(tmp_path / "last.pth")


def test_an_interrupted_write_keeps_the_previous_file(tmp_path):
    save_checkpoint(tmp_path / "c.pth", ARCHITECTURE, {"epoch": 1})

    class Stops:
        def __reduce__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path / "c.pth", ARCHITECTURE, {"epoch": Stops()})
    assert load_checkpoint(tmp_path / "c.pth")[1]["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["c.pth"]
