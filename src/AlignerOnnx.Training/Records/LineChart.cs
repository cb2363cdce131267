using System.Globalization;
using System.Security;
using System.Text;

namespace AlignerOnnx.Training;

/// <summary>One line of a chart.</summary>
/// <param name="Name">What the legend calls it.</param>
/// <param name="Points">Its points from left to right; those that are not finite are left out.</param>
internal sealed record ChartLine(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>Draws lines over two labelled axes as SVG.</summary>
internal static class LineChart
{
    private const int Width = 800;
    private const int Height = 450;
    private const int Left = 70;
    private const int Right = 20;
    private const int Top = 45;
    private const int Bottom = 50;

    // Told apart by people of every colour vision (Okabe and Ito), and by their dashes in print.
    private static readonly (string Colour, string Dash)[] Looks = [("#0072B2", "none"), ("#D55E00", "7 4"), ("#009E73", "2 3"), ("#CC79A7", "9 3 2 3")];

    public static string ToSvg(string title, string xLabel, string yLabel, IReadOnlyList<ChartLine> lines)
    {
        (double X, double Y)[] all = [.. lines.SelectMany(line => Finite(line))];
        Axis x = Axis.Over(all.Select(point => point.X));
        Axis y = Axis.Over(all.Select(point => point.Y));
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" width="{Width}" height="{Height}" font-family="sans-serif" font-size="12" role="img" aria-label="{Escape(title)}">
            <rect width="100%" height="100%" fill="white"/>
            <text x="{Left}" y="22" font-size="15">{Escape(title)}</text>
            <text x="{Width / 2}" y="{Height - 10}" text-anchor="middle">{Escape(xLabel)}</text>
            <text x="16" y="{Height / 2}" text-anchor="middle" transform="rotate(-90 16 {Height / 2})">{Escape(yLabel)}</text>

            """);
        foreach (double tick in x.Ticks)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{AtX(x, tick):F1}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{tick:G6}</text>\n");
        }
        foreach (double tick in y.Ticks)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left} {AtY(y, tick):F1}H{Width - Right}\" stroke=\"#ddd\"/><text x=\"{Left - 6}\" y=\"{AtY(y, tick) + 4:F1}\" text-anchor=\"end\">{tick:G6}</text>\n");
        }
        for (int i = 0; i < lines.Count; i++)
        {
            (string colour, string dash) = Looks[i % Looks.Length];
            string points = string.Join(' ', Finite(lines[i]).Select(point => string.Create(CultureInfo.InvariantCulture, $"{AtX(x, point.X):F1},{AtY(y, point.Y):F1}")));
            int legend = Width - Right - (150 * (lines.Count - i));
            svg.Append(CultureInfo.InvariantCulture, $"<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-dasharray=\"{dash}\"/>\n");
            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{legend} 18h26\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/><text x=\"{legend + 32}\" y=\"22\">{Escape(lines[i].Name)}</text>\n");
        }
        return svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left} {Top}V{Height - Bottom}H{Width - Right}\" fill=\"none\" stroke=\"#333\"/>\n</svg>\n").ToString();
    }

    private static IEnumerable<(double X, double Y)> Finite(ChartLine line) => line.Points.Where(point => double.IsFinite(point.X) && double.IsFinite(point.Y));

    private static double AtX(Axis axis, double value) => Left + (axis.Share(value) * (Width - Left - Right));

    private static double AtY(Axis axis, double value) => Height - Bottom - (axis.Share(value) * (Height - Top - Bottom));

    private static string Escape(string text) => SecurityElement.Escape(text);

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
