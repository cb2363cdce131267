using System.Globalization;

namespace AlignerOnnx.Training;

/// <summary>One line of a chart.</summary>
/// <param name="Name">What the legend calls it.</param>
/// <param name="Points">Its points from left to right; those that are not finite are left out.</param>
internal sealed record ChartLine(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>Draws lines over two labelled axes.</summary>
internal static class LineChart
{
    public const int Width = 800;
    public const int Height = 450;
    private const int Left = 70;
    private const int Right = 20;
    private const int Top = 45;
    private const int Bottom = 50;
    private const int Legend = 150;

    // Told apart by people of every colour vision (Okabe and Ito), and by their dashes in print.
    private static readonly (int Colour, double[] Dash)[] Looks = [(0x0072B2, []), (0xD55E00, [7, 4]), (0x009E73, [2, 3]), (0xCC79A7, [9, 3, 2, 3])];

    public static void Draw(IChartCanvas canvas, string title, string xLabel, string yLabel, IReadOnlyList<ChartLine> lines)
    {
        (double X, double Y)[] all = [.. lines.SelectMany(line => Finite(line))];
        Axis x = Axis.Over(all.Select(point => point.X));
        Axis y = Axis.Over(all.Select(point => point.Y));
        canvas.Text((Left, 22), title, size: 15);
        canvas.Text((Width / 2, Height - 10), xLabel, ChartAnchor.Middle);
        canvas.Text((16, Height / 2), yLabel, ChartAnchor.Middle, upwards: true);
        foreach (double tick in x.Ticks)
        {
            canvas.Text((AtX(x, tick), Height - Bottom + 18), Number(tick), ChartAnchor.Middle);
        }
        foreach (double tick in y.Ticks)
        {
            canvas.Line([(Left, AtY(y, tick)), (Width - Right, AtY(y, tick))], 0xDDDDDD, 1, []);
            canvas.Text((Left - 6, AtY(y, tick) + 4), Number(tick), ChartAnchor.End);
        }
        canvas.Line([(Left, Top), (Left, Height - Bottom), (Width - Right, Height - Bottom)], 0x333333, 1, []);
        for (int i = 0; i < lines.Count; i++)
        {
            (int colour, double[] dash) = Looks[i % Looks.Length];
            canvas.Line([.. Finite(lines[i]).Select(point => (AtX(x, point.X), AtY(y, point.Y)))], colour, 1.8, dash);
            int legend = Width - Right - (Legend * (lines.Count - i));
            canvas.Line([(legend, 18), (legend + 26, 18)], colour, 2, dash);
            canvas.Text((legend + 32, 22), lines[i].Name);
        }
    }

    private static string Number(double tick) => tick.ToString("G6", CultureInfo.InvariantCulture);

    private static IEnumerable<(double X, double Y)> Finite(ChartLine line) => line.Points.Where(point => double.IsFinite(point.X) && double.IsFinite(point.Y));

    private static double AtX(Axis axis, double value) => Left + (axis.Share(value) * (Width - Left - Right));

    private static double AtY(Axis axis, double value) => Height - Bottom - (axis.Share(value) * (Height - Top - Bottom));

    /// <summary>A range that ends on round numbers.</summary>
    private sealed record Axis(double Low, double High, double Step)
    {
        public static Axis Over(IEnumerable<double> values)
        {
            double[] all = [.. values];
            double low = all.Length == 0 ? 0 : all.Min();
            double high = all.Length == 0 ? 1 : all.Max();
            double span = high > low ? high - low : Math.Max(Math.Abs(high), 1);
            double power = Math.Pow(10, Math.Floor(Math.Log10(span / 6)));
            double step = power * ((double[])[1, 2, 5, 10]).First(round => power * round * 6 >= span);
            double first = Math.Floor(low / step) * step;
            return new Axis(first, Math.Max(Math.Ceiling(high / step) * step, first + step), step);
        }

        // Rounded, because sums of tenths would show as 0.30000000000000004.
        public IEnumerable<double> Ticks => Enumerable.Range(0, 1 + (int)Math.Round((High - Low) / Step)).Select(i => Math.Round(Low + (i * Step), 12));

        public double Share(double value) => (value - Low) / (High - Low);
    }
}
