namespace AlignerOnnx.Training;

/// <summary>Which part of a text stands at its place.</summary>
internal enum ChartAnchor
{
    Start,
    Middle,
    End,
}

/// <summary>What a chart is drawn on: <see cref="LineChart.Width"/> by <see cref="LineChart.Height"/> units, from the upper left corner.</summary>
internal interface IChartCanvas
{
    /// <summary>Draws straight lines from point to point.</summary>
    /// <param name="points">The points.</param>
    /// <param name="colour">0xRRGGBB.</param>
    /// <param name="width">The width of the line.</param>
    /// <param name="dash">Lengths of dash and gap in turn; empty for an unbroken line.</param>
    void Line(IReadOnlyList<(double X, double Y)> points, int colour, double width, IReadOnlyList<double> dash);

    /// <summary>Writes one line of text.</summary>
    /// <param name="at">Where its base line is.</param>
    /// <param name="text">The text.</param>
    /// <param name="anchor">Which part of it stands there.</param>
    /// <param name="size">The height of its letters with their descenders.</param>
    /// <param name="upwards">Whether it is turned to be read from below.</param>
    void Text((double X, double Y) at, string text, ChartAnchor anchor = ChartAnchor.Start, int size = 12, bool upwards = false);
}
