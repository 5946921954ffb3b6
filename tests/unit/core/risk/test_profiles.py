import pytest

from marketsentry.core.risk.profiles import BucketCaps, Profile, fallback_profile
from marketsentry.exceptions import InputError


@pytest.mark.parametrize("target", ["BTC", "DOGE", "BTC-PERP", "ETH-USD"])
def test_majors_are_one_crypto_group(target):
    assert fallback_profile("liquid", target) == Profile("crypto", "crypto_beta")


def test_others_and_private_companies():
    assert fallback_profile("liquid", "LINK") == Profile("equity", "core")
    assert fallback_profile("vc", "BTC") == Profile("private", "venture")


def test_a_bucket_cap_must_be_positive():
    with pytest.raises(InputError, match="trend"):
        BucketCaps({"trend": 0.0})
