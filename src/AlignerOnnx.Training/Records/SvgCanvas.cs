using System.Globalization;
using System.Security;
using System.Text;

namespace AlignerOnnx.Training;

/// <summary>A chart as SVG.</summary>
internal sealed class SvgCanvas : IChartCanvas
{
    private readonly StringBuilder _svg = new();

    public SvgCanvas(string title) => _svg.Append(CultureInfo.InvariantCulture, $"""
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LineChart.Width} {LineChart.Height}" width="{LineChart.Width}" height="{LineChart.Height}" font-family="sans-serif" role="img" aria-label="{SecurityElement.Escape(title)}">
        <rect width="100%" height="100%" fill="white"/>

        """);

    public void Line(IReadOnlyList<(double X, double Y)> points, int colour, double width, IReadOnlyList<double> dash)
    {
        string places = string.Join(' ', points.Select(point => string.Create(CultureInfo.InvariantCulture, $"{point.X:F1},{point.Y:F1}")));
        string dashes = dash.Count == 0 ? "" : $" stroke-dasharray=\"{string.Join(' ', dash.Select(length => length.ToString(CultureInfo.InvariantCulture)))}\"";
        _svg.Append(CultureInfo.InvariantCulture, $"<polyline points=\"{places}\" fill=\"none\" stroke=\"#{colour:X6}\" stroke-width=\"{width}\"{dashes}/>\n");
    }

    public void Text((double X, double Y) at, string text, ChartAnchor anchor, int size, bool upwards)
    {
        string turn = upwards ? string.Create(CultureInfo.InvariantCulture, $" transform=\"rotate(-90 {at.X:F1} {at.Y:F1})\"") : "";
        _svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{at.X:F1}\" y=\"{at.Y:F1}\" font-size=\"{size}\" text-anchor=\"{Name(anchor)}\"{turn}>{SecurityElement.Escape(text)}</text>\n");
    }

    public byte[] ToBytes() => Encoding.UTF8.GetBytes($"{_svg}</svg>\n");

    private static string Name(ChartAnchor anchor) => anchor switch { ChartAnchor.Start => "start", ChartAnchor.Middle => "middle", _ => "end" };
}
