"""The check of options that name a variant."""

import pytest

from slotkd.ops.choices import check_choice


def test_names_option_value_and_choices():
    check_choice('merge', 'none', ('all', 'none'))
    with pytest.raises(
        ValueError, match="merge='some' is not one of 'all', 'none'"
    ):
        check_choice('merge', 'some', ('all', 'none'))
