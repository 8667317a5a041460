"""How far apart two colours look, to people who see colours in different ways: formulas from the literature."""

import numpy as np

# Machado, Oliveira and Fernandes (2009), A physiologically-based model for simulation of color vision deficiency:
# severity 1.0, for linear RGB.
DEFICIENCIES = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear sRGB
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = XYZ.sum(axis=1)  # D65


def linear(colour):
    """Light of a colour such as "#0072B2" (IEC 61966-2-1)."""
    encoded = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def seen(colour, vision):
    """The light that a person with that vision sees ("normal", a deficiency, or "achromatopsia")."""
    light = linear(colour)
    if vision == "achromatopsia":
        return np.full(3, LUMINANCE @ light)
    return light if vision == "normal" else np.clip(np.array(DEFICIENCIES[vision]) @ light, 0, 1)


def lab(light):
    """CIE L*a*b* of linear RGB."""
    ratio = XYZ @ light / WHITE
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ciede2000(one, other):
    """The distance of two L*a*b* colours (Sharma, Wu and Dalal 2005): about 2 is just seen, side by side."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1 + 0.5 * (1 - np.sqrt(c7 / (c7 + 25**7)))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2([b1, b2], [a1, a2])) % 360
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    hue = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    return _weighed(
        l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)), lightness, chroma, hue
    )


def _weighed(dl, dc, dh, lightness, chroma, hue):
    cosines = np.cos(np.radians([hue - 30, 2 * hue, 3 * hue + 6, 4 * hue - 63]))
    t = 1 + cosines @ [-0.17, 0.24, 0.32, -0.20]
    squared = (lightness - 50) ** 2
    dl /= 1 + 0.015 * squared / np.sqrt(20 + squared)
    dc /= 1 + 0.045 * chroma
    dh /= 1 + 0.015 * chroma * t
    spread = 60 * np.exp(-(((hue - 275) / 25) ** 2))
    rotation = -np.sin(np.radians(spread)) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25**7))
    return float(np.sqrt(dl**2 + dc**2 + dh**2 + rotation * dc * dh))


def distance(one, other, vision="normal"):
    """CIEDE2000 between two colours as a person with that vision sees them."""
    return ciede2000(lab(seen(one, vision)), lab(seen(other, vision)))


def contrast(one, other="#FFFFFF"):
    """WCAG 2's contrast ratio, 1 to 21."""
    low, high = sorted(LUMINANCE @ linear(colour) + 0.05 for colour in (one, other))
    return high / low
