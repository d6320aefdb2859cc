#version 330 core
// A studio portrait: a warm key from the upper left, a cool fill, a rim from behind, and light from all around that
// reaches a point as far as it is open to it. Colours are linear until the last line.

in vec3 world_position;
in vec3 world_normal;
in vec4 colour;
in vec2 openness;
flat in vec4 response;
#ifdef HAS_BASE_COLOR_TEX
in vec2 uv;
struct Material { sampler2D base_color_texture; };
uniform Material material;
#endif
uniform vec3 cam_pos;

out vec4 frag_color;

const vec3 KEY = vec3(-0.4751, 0.5700, 0.6703);
const vec3 KEY_COLOUR = vec3(2.05, 1.90, 1.72);
const vec3 FILL = vec3(0.7715, 0.1543, 0.6172);
const vec3 FILL_COLOUR = vec3(0.42, 0.47, 0.55);
const vec3 RIM = vec3(0.6337, 0.4225, -0.6480);
const vec3 RIM_COLOUR = vec3(0.75, 0.82, 0.95);
const vec3 SKY = vec3(0.50, 0.53, 0.58);
const vec3 GROUND = vec3(0.26, 0.21, 0.19);
// Red light travels further under skin: it wraps further into the shadow.
const vec3 WRAP = vec3(0.42, 0.20, 0.14);

// sRGB by square roots, within 0.003 of the standard's power law
vec3 encode(vec3 x)
{
    vec3 a = sqrt(x);
    vec3 b = sqrt(a);
    vec3 c = sqrt(b);
    return clamp(0.662002687 * a + 0.684122060 * b - 0.323583601 * c - 0.0225411470 * x, 0.0, 1.0);
}

vec3 diffuse(float cosine, vec3 wrap)
{
    vec3 lit = max((cosine + wrap) / (1.0 + wrap), 0.0);
    return lit / (1.0 + wrap);
}

float highlight(vec3 normal, vec3 halfway, float sharpness)
{
    float c = max(dot(normal, halfway), 0.0);
    float c8 = c * c; c8 *= c8; c8 *= c8;
    float c32 = c8 * c8; c32 *= c32;
    float c256 = c32 * c32; c256 *= c256; c256 *= c256;
    return sharpness < 0.5 ? 0.4 * c8 * c8 + 0.15 * c8 : (sharpness < 1.5 ? c32 * c8 * c8 : 2.0 * c256);
}

void main()
{
    // Half a step of noise hides the bands of a slow gradient.
    float noise = fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715)))) - 0.5;
    if (response.x < 0.0) {
        frag_color = vec4(encode(colour.rgb) + noise / 255.0, 1.0);
        return;
    }
    vec4 base = colour;
#ifdef HAS_BASE_COLOR_TEX
    vec4 texel = texture(material.base_color_texture, uv);
    base *= vec4(texel.rgb * (texel.rgb * (texel.rgb * 0.305306011 + 0.682171111) + 0.012522878), texel.a);
#endif
    vec3 normal = normalize(gl_FrontFacing ? world_normal : -world_normal);
    vec3 view = normalize(cam_pos - world_position);
    vec3 wrap = WRAP * response.x;

    // What little light is in a fold of skin has been through skin.
    vec3 open = mix(vec3(openness.x), sqrt(vec3(openness.x)), vec3(0.45, 0.10, 0.05) * response.x);
    vec3 key = KEY_COLOUR * mix(openness.y, 1.0, 0.08);
    vec3 light = key * diffuse(dot(normal, KEY), wrap) + FILL_COLOUR * openness.x * diffuse(dot(normal, FILL), wrap)
        + open * mix(GROUND, SKY, 0.5 + 0.5 * normal.y);

    float grazing = 1.0 - max(dot(normal, view), 0.0);
    float grazing2 = grazing * grazing;
    float fresnel = 0.35 + 0.65 * grazing2 * grazing2;
    vec3 shine = response.y * fresnel * (key * highlight(normal, normalize(KEY + view), response.z)
        + 0.7 * FILL_COLOUR * openness.x * highlight(normal, normalize(FILL + view), response.z));
    vec3 rim = response.w * RIM_COLOUR * openness.x * grazing2 * grazing * max(dot(normal, RIM) + 0.35, 0.0);

    vec3 shade = base.rgb * light + shine + (0.25 + base.rgb) * rim;
    shade = shade / (1.0 + 0.18 * shade); // a soft shoulder instead of clipped highlights
    frag_color = vec4(encode(shade) + noise / 255.0, base.a);
}
