using AlignerOnnx.Serving;
using AlignerOnnx.Serving.Tests;
using AlignerOnnx.TestMaterial;
using Microsoft.AspNetCore.Builder;
using Microsoft.Playwright;

namespace AlignerOnnx.Page.Tests;

/// <summary>The page in a real Chromium: chat side by side, scale and blend, adapters with their gates, upload and training with a live loss curve.</summary>
[TestClass]
public sealed class PageTests
{
    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static WebApplication s_server = null!;
    private static IPlaywright s_playwright = null!;
    private static IBrowser s_browser = null!;

    private readonly List<string> _complaints = [];
    private IPage _page = null!;

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        string chromium = new[] { "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }.FirstOrDefault(File.Exists) ?? "";
        if (chromium.Length == 0)
        {
            Assert.Inconclusive("needs Chromium (package chromium)");
        }
        foreach ((string name, int seed) in new[] { ("calm", 1), ("loud", 2) })
        {
            SampleAdapter.Write(Path.Combine(s_folder, "adapters", name), Material.Pocket(), seed);
        }
        Environment.SetEnvironmentVariable(ModelCache.FolderVariable, Path.Combine(s_folder, "cache"));
        s_server = AlignerServer.Build(new ServingOptions
        {
            ModelFolder = ModelCache.Patched(Material.Pocket()),
            BaseModelName = "pocket",
            AdapterFolder = Path.Combine(s_folder, "adapters"),
            TrainingProgram = ["dotnet", "exec", Path.Combine(AppContext.BaseDirectory, "aligner.dll")],
            Urls = ["http://127.0.0.1:0"],
        });
        await s_server.StartAsync();
        s_playwright = await Playwright.CreateAsync();
        // Bounds only what hangs: other tests may keep both processors.
        Assertions.SetDefaultExpectTimeout(60_000);
        // The sandbox needs rights that containers lack; the browser sees nothing but this server.
        s_browser = await s_playwright.Chromium.LaunchAsync(new() { ExecutablePath = chromium, Args = ["--no-sandbox", "--disable-dev-shm-usage"] });
    }

    [ClassCleanup]
    public static async Task Stop()
    {
        if (s_browser is not null)
        {
            await s_browser.DisposeAsync();
            s_playwright.Dispose();
        }
        if (s_server is not null)
        {
            await s_server.DisposeAsync();
        }
        Directory.Delete(s_folder, recursive: true);
    }

    [TestInitialize]
    public async Task Open()
    {
        _page = await s_browser.NewPageAsync(new() { ViewportSize = new() { Width = 1200, Height = 1400 } });
        _page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
            {
                _complaints.Add(message.Text);
            }
        };
        _page.PageError += (_, error) => _complaints.Add(error);
        _page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith(s_server.Urls.First(), StringComparison.Ordinal))
            {
                _complaints.Add($"fetched {request.Url}");
            }
        };
        await _page.GotoAsync(s_server.Urls.First());
        await Assertions.Expect(_page.GetByRole(AriaRole.Rowheader, new() { Name = "calm" })).ToBeVisibleAsync();
    }

    [TestCleanup]
    public async Task Close()
    {
        await _page.CloseAsync();
        Assert.IsEmpty(_complaints, string.Join('\n', _complaints));
    }

    [TestMethod]
    public async Task Chat_BaseTwoAdaptersAndTheirBlend_AnswerSideBySide()
    {
        await _page.GetByLabel("Adapter 1").SelectOptionAsync("calm");
        await _page.GetByLabel("Adapter 2").SelectOptionAsync("loud");
        await _page.Locator("#scale-1").FillAsync("0.5");
        await _page.GetByLabel("Also answer with all chosen adapters").CheckAsync();
        await _page.GetByRole(AriaRole.Button, new() { Name = "Ask" }).ClickAsync();
        await Assertions.Expect(_page.GetByRole(AriaRole.Article)).ToHaveCountAsync(4);
        await Assertions.Expect(_page.GetByRole(AriaRole.Button, new() { Name = "Ask" })).ToBeEnabledAsync();
        string[] fingerprints = [.. await _page.Locator("#answers small").AllInnerTextsAsync()];
        Assert.AreEqual("fp_base", fingerprints[0]);
        Assert.StartsWith("fp_calm@1:", fingerprints[1]);
        Assert.EndsWith("*0.5", fingerprints[2]);
        Assert.Contains("+loud@1:", fingerprints[3]);
        Assert.Contains("sty", await _page.Locator("#answers p").First.InnerTextAsync());
        await ScreenshotAsync("chat");
    }

    [TestMethod]
    public async Task Gates_OfAnAdapter_AreDrawnWithOneCellForEachHead()
    {
        await _page.GetByRole(AriaRole.Button, new() { Name = "Show the gates of calm" }).ClickAsync();
        await Assertions.Expect(_page.Locator("#heat-map")).ToBeVisibleAsync();
        Adapters.Adapter adapter = Adapters.AdapterPackage.Load(Path.Combine(s_folder, "adapters", "calm"));
        Assert.AreEqual(adapter.Gates.Length, await _page.Locator("#heat-map rect").CountAsync());
        await ScreenshotAsync("gates");
    }

    [TestMethod]
    public async Task Train_UploadedData_ShowsItsLossAndBecomesAnAdapter()
    {
        await _page.GetByLabel("Conversations").SetInputFilesAsync(Material.PocketData("form-json.train.jsonl"));
        await _page.GetByLabel("Name of the adapter").FillAsync("from-page");
        await _page.GetByLabel("Steps").FillAsync("10");
        await _page.GetByRole(AriaRole.Button, new() { Name = "Upload and train" }).ClickAsync();
        // Jobs run behind all other work of the machine.
        await Assertions.Expect(_page.Locator("#jobs")).ToContainTextAsync("succeeded", new() { Timeout = 600_000 });
        await Assertions.Expect(_page.Locator("#jobs svg polyline")).ToHaveCountAsync(1);
        await Assertions.Expect(_page.GetByRole(AriaRole.Rowheader, new() { Name = "from-page" })).ToBeVisibleAsync(new() { Timeout = 30_000 });
        await ScreenshotAsync("training");
    }

    [TestMethod]
    public async Task Reference_ShowsEveryGroupOfRoutesAndHowToAuthenticate()
    {
        await _page.SetViewportSizeAsync(1400, 900);
        await _page.GotoAsync($"{s_server.Urls.First()}/reference/");
        foreach (string group in new[] { "Generation", "Models", "Adapters", "Files", "Fine-tuning", "Operations" })
        {
            await Assertions.Expect(_page.GetByRole(AriaRole.Link, new() { Name = group, Exact = true })).ToHaveCountAsync(1);
        }
        await Assertions.Expect(_page.GetByText("where the server has any")).ToBeVisibleAsync();
        // No way to its makers' services but their name.
        string[] foreign = await _page.Locator("a").EvaluateAllAsync<string[]>("links => links.filter(link => link.origin !== location.origin).map(link => link.innerText)");
        CollectionAssert.AreEqual(new[] { "Powered by Scalar" }, foreign);
        await Assertions.Expect(_page.GetByText("Ask AI")).ToHaveCountAsync(0);
        await ScreenshotAsync("reference", fullPage: false);
        await _page.GetByRole(AriaRole.Link, new() { Name = "Answer a conversation." }).First.ClickAsync();
        await Assertions.Expect(_page.GetByText("Needs a key of the role use").First).ToBeInViewportAsync();
        await Assertions.Expect(_page.GetByText($"curl {s_server.Urls.First()}/v1/chat/completions")).ToBeVisibleAsync();
        await ScreenshotAsync("reference-route", fullPage: false);
    }

    [TestMethod]
    public async Task EveryControl_HasANameAndCanBeReachedByKeyboard()
    {
        int nameless = await _page.EvaluateAsync<int>(
            "() => [...document.querySelectorAll('input, select, textarea, button')].filter(e => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).length");
        Assert.AreEqual(0, nameless);
        await _page.Keyboard.PressAsync("Tab");
        Assert.AreEqual("Skip to the chat", await _page.EvaluateAsync<string>("() => document.activeElement.textContent"));
    }

    /// <summary>A picture for people; checked to hold more than one colour, as a page that failed to draw would.</summary>
    private async Task ScreenshotAsync(string name, bool fullPage = true)
    {
        string folder = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "screenshots")).FullName;
        byte[] picture = await _page.ScreenshotAsync(new() { FullPage = fullPage, Path = Path.Combine(folder, $"{name}.png") });
        Assert.IsGreaterThan(20_000, picture.Length);
    }
}
