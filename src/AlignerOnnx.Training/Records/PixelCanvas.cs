namespace AlignerOnnx.Training;

/// <summary>A chart as pixels on white: for places that show no SVG. The few primitives of a chart are drawn here, since libraries that draw bring tens of megabytes of native code.</summary>
internal sealed class PixelCanvas : IChartCanvas
{
    /// <summary>Pixels of a unit, for screens with small pixels.</summary>
    private const int Scale = 2;

    // What of each pixel a line covers: joints, where two of its pieces overlap, must not be darker.
    private readonly float[] _covered = new float[Width * Height];

    public const int Width = LineChart.Width * Scale;
    public const int Height = LineChart.Height * Scale;

    public PixelCanvas() => Array.Fill(Pixels, byte.MaxValue);

    /// <summary>Red, green and blue of each pixel, row by row.</summary>
    public byte[] Pixels { get; } = new byte[Width * Height * 3];

    public void Line(IReadOnlyList<(double X, double Y)> points, int colour, double width, IReadOnlyList<double> dash)
    {
        Array.Clear(_covered);
        foreach (((double X, double Y) from, (double X, double Y) to) in Dashes.Of([.. points.Select(point => (point.X * Scale, point.Y * Scale))], [.. dash.Select(length => length * Scale)]))
        {
            Cover(from, to, width * Scale / 2);
        }
        for (int i = 0; i < _covered.Length; i++)
        {
            Blend(i, colour, _covered[i]);
        }
    }

    public void Text((double X, double Y) at, string text, ChartAnchor anchor, int size, bool upwards)
    {
        int dot = Math.Max(1, size * Scale / PixelFont.LineHeight);
        double before = anchor switch { ChartAnchor.Start => 0, ChartAnchor.Middle => 0.5, _ => 1 } * ((text.Length * PixelFont.Advance) - 1) * dot;
        (int x, int y) = ((int)Math.Round(at.X * Scale), (int)Math.Round(at.Y * Scale));
        foreach ((int column, int row) in PixelFont.DotsOf(text))
        {
            int along = (int)Math.Round((column * dot) - before);
            int down = (row - PixelFont.BaseLine) * dot;
            Fill(upwards ? x + down : x + along, upwards ? y - along - dot : y + down, dot);
        }
    }

    /// <summary>Covers what is within half a width of a straight line; a pixel that the edge crosses in part.</summary>
    private void Cover((double X, double Y) from, (double X, double Y) to, double half)
    {
        double reach = half + 1;
        (double dx, double dy) = (to.X - from.X, to.Y - from.Y);
        double length = (dx * dx) + (dy * dy);
        for (int y = Math.Max(0, (int)(Math.Min(from.Y, to.Y) - reach)); y <= Math.Min(Height - 1, (int)(Math.Max(from.Y, to.Y) + reach)); y++)
        {
            for (int x = Math.Max(0, (int)(Math.Min(from.X, to.X) - reach)); x <= Math.Min(Width - 1, (int)(Math.Max(from.X, to.X) + reach)); x++)
            {
                (double px, double py) = (x + 0.5 - from.X, y + 0.5 - from.Y);
                double share = length == 0 ? 0 : Math.Clamp(((px * dx) + (py * dy)) / length, 0, 1);
                double distance = double.Hypot(px - (share * dx), py - (share * dy));
                int i = (y * Width) + x;
                _covered[i] = Math.Max(_covered[i], (float)Math.Clamp(half + 0.5 - distance, 0, 1));
            }
        }
    }

    private void Fill(int left, int top, int side)
    {
        for (int y = Math.Max(0, top); y < Math.Min(Height, top + side); y++)
        {
            for (int x = Math.Max(0, left); x < Math.Min(Width, left + side); x++)
            {
                Blend((y * Width) + x, 0, 1);
            }
        }
    }

    private void Blend(int pixel, int colour, float share)
    {
        for (int channel = 0; share > 0 && channel < 3; channel++)
        {
            ref byte value = ref Pixels[(pixel * 3) + channel];
            value = (byte)Math.Round(value + (share * (((colour >> (16 - (8 * channel))) & byte.MaxValue) - value)));
        }
    }
}
