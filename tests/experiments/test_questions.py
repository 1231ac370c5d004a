"""The pictures of docs/questions: all are drawn, and what they compute is true."""

import matplotlib.image
import numpy as np
import pytest
import questions


def test_main_draws_every_picture(tmp_path, capsys):
    questions.main(folder=tmp_path)
    drawn = {path.stem: path for path in tmp_path.iterdir()}
    assert set(drawn) == set(questions.PICTURES)
    told = capsys.readouterr().out
    for path in drawn.values():
        assert path.stat().st_size <= 61_440 and str(path) in told.replace("\n", "")
        assert len(np.unique(matplotlib.image.imread(path))) > 10  # not an empty sheet


@pytest.mark.parametrize("every, back", [(4, 4), (2, 4), (1, 4), (12, 12)])
def test_a_window_reaches_as_far_as_truncation_says(every, back):
    """From the step before the end of the group, back over the window."""
    for t, row in enumerate(questions.reach(every, back)):
        first = t - t % every + every - back
        assert row.tolist() == [first <= s <= t for s in range(12)]


def test_a_gradient_arrives_from_the_output_where_there_is_a_label():
    for name, (output, time) in questions.arrivals().items():
        labelled, length, handed_back = questions.ASKED[name]
        assert np.flatnonzero(output).tolist() == list(labelled)
        arrives = range(length if handed_back else length - 1)
        assert np.flatnonzero(time).tolist() == list(arrives)
