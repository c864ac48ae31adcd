"""A report as a netCDF-4 file reads back as it was, or is refused in one line."""

import numpy as np
import pytest
import xarray as xr

from rnnjax.reports import Remedy, Report
from rnnjax.reports.file import decoded, encoded
from tests.reports import datasets

REMEDY = Remedy("RNN_0", "horizon", "a leak", 12.0, np.inf, "steps", "it helps")


def report(**attrs):
    data = datasets.two_layers()
    remedy = Remedy(str(data["layer"].values[1]), *list(vars(REMEDY).values())[1:])
    return Report(data.assign_attrs(attrs), [remedy])


@pytest.mark.parametrize("unmeasured", [[], ["one line"], ["a while loop", "a loop in Python"]])
def test_a_report_reads_back_as_it_was(tmp_path, unmeasured):
    one = report(unmeasured=unmeasured, title="déjà vu")
    path = one.save(tmp_path / "new" / "report.nc")
    other = Report.load(path)
    assert str(other) == str(one)
    assert other.remedies == one.remedies and other.unmeasured == tuple(unmeasured)
    for name, variable in one.dataset.variables.items():
        np.testing.assert_array_equal(other.dataset[name], variable)
        assert other.dataset[name].attrs == variable.attrs
        assert other.dataset[name].dtype.kind == variable.dtype.kind
    assert [path.name for path in path.parent.iterdir()] == ["report.nc"]
    plain = xr.open_dataset(path)
    assert list(plain["layer"]) == list(one.layers)
    plain.close()


def test_the_same_report_gives_the_same_bytes():
    assert encoded(report(unmeasured=[])) == encoded(report(unmeasured=[]))


def test_text_that_netcdf_cannot_hold_is_escaped():
    one = report(title="a\0b \udc80", unmeasured=["c\0d"])
    other = decoded(encoded(one))
    assert other.title == r"a\x00b \udc80" and other.unmeasured == (r"c\x00d",)


GOOD = encoded(report(unmeasured=[]))


def of(data):
    return bytes(data.to_netcdf(engine="h5netcdf"))


@pytest.mark.parametrize(
    "content",
    [b"", b"text", GOOD[: len(GOOD) // 2], of(xr.Dataset({"a": ("b", [1])})),
     of(xr.Dataset({"a": ("layer", [1])}, attrs={"remedies": "{"})),
     of(xr.Dataset(coords={"layer": ["a"]}, attrs={"remedies": '[{"name": 1}]'}))],
    ids=["empty", "text", "cut", "no layers", "no names", "bad remedies"],
)  # fmt: skip
def test_other_files_are_refused_in_one_line(tmp_path, content):
    (tmp_path / "report.nc").write_bytes(content)
    with pytest.raises(ValueError, match=r"^report: expected a netCDF-4 file") as caught:
        Report.load(tmp_path / "report.nc")
    assert "\n" not in str(caught.value)
